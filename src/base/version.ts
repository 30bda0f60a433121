/** The version of this build; package.json says the same (checked by a test). */
export const HOLDFAST_VERSION = '0.1.0'
