/** Writes docs/reference/options.md from the option table. A test fails while the page is stale. */
import { writeFileSync } from 'node:fs'
import { renderOptionsPage } from '../src/cli/options/options-page.ts'

writeFileSync(new URL('../docs/reference/options.md', import.meta.url), renderOptionsPage())
