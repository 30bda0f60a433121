/**
 * Who may import whom. `may` is the table of ARCHITECTURE.md: each layer, and the layers it may
 * know besides itself. Type-only imports count: knowing a type is knowing.
 *
 * TypeScript 7 has no compiler for dependency-cruiser to use, and without one it finds no modules
 * and reports success; so the parser is named here, and `tools/layers.ts` fails when too few
 * modules were seen. `tools/layers.test.ts` proves with planted violations that each rule bites.
 */
const may = {
  base: '',
  env: 'base',
  raft: 'base',
  kv: 'base',
  vector: 'base',
  cluster: 'base',
  storage: 'base|env',
  replica: 'base|env|raft|storage',
  redis: 'base|kv',
  milvus: 'base|vector',
  server: 'base|env|raft|storage|kv|vector|cluster|replica|redis|milvus',
  'env-node': 'base|env',
  client: 'base|env-node',
  cli: 'base|env|raft|storage|kv|vector|cluster|replica|redis|milvus|server|env-node|client',
}

/** Node's modules that compute and do nothing else. */
const PURE_NODE_MODULES = '^(node:)?(assert|buffer|zlib|crypto)(/|$)'

const from = (layer) => ({ path: `^src/${layer}/`, pathNot: '[.]test[.]ts$' })
const ban = (name, comment, fromWhere, toWhere) => ({
  name,
  comment,
  severity: 'error',
  from: fromWhere,
  to: toWhere,
})

const layers = Object.entries(may).map(([layer, below]) =>
  ban(
    `layer-${layer}`,
    `${layer} may know ${below === '' ? 'nothing else' : below.replaceAll('|', ', ')}`,
    from(layer),
    {
      path: '^src/',
      pathNot: `^src/(${below === '' ? layer : `${layer}|${below}`})/`,
    },
  ),
)

export default {
  forbidden: [
    ...layers,
    ban(
      'known-layer',
      'a new folder of src needs a row in the table of layers',
      {
        path: '^src/',
        pathNot: `^src/(${Object.keys(may).join('|')})/`,
      },
      {},
    ),
    ban(
      'io-behind-env',
      'only env-node, client and cli touch the machine',
      from('(?!env-node/|client/|cli/)[^/]+'),
      {
        dependencyTypes: ['core'],
        pathNot: PURE_NODE_MODULES,
      },
    ),
    ban('few-dependencies', 'packages are for the edges', from('(?!milvus/|env-node/|client/|cli/)[^/]+'), {
      dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'],
    }),
    ban('no-dev-dependencies', 'what runs must be installed where it runs', from('[^/]+'), {
      dependencyTypes: ['npm-dev'],
      pathNot: '^node_modules/@types/',
    }),
    ban('ship-no-tests', 'the product knows nothing of what tests it', from('[^/]+'), {
      path: '^(sim|test|bench|tools)/|[.]test[.]ts$',
    }),
    // Types may refer to each other across files: nothing is loaded in a circle.
    ban(
      'no-cycle',
      'two files that need each other are one file, or three',
      {},
      {
        circular: true,
        viaOnly: { dependencyTypesNot: ['type-only'] },
      },
    ),
    ban(
      'no-dead-file',
      'nothing imports it and it is no entry',
      {
        orphan: true,
        path: '^src/',
        pathNot: '([.]d[.]ts|[.]test[.]ts)$',
      },
      {},
    ),
    // The prototype compares with an engine that was not chosen: installed by hand to run it again.
    ban(
      'resolves',
      'the import leads nowhere',
      { pathNot: '^tools/engine-prototype/' },
      { couldNotResolve: true },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json', '.d.ts'] },
  },
}
