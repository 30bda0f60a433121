/** The only source of randomness. The simulator gives every node a generator derived from the run's seed. */
export interface Random {
  /** Uniform in [0, 1), as `Math.random`. */
  next(): number
  /** Uniform unsigned 32-bit integer. */
  u32(): number
}
