/** Buffer methods that Node has and documents by `encoding: 'latin1'`, but that its types leave out. They skip one dispatch. */
declare module 'node:buffer' {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string
    latin1Write(text: string, offset?: number, length?: number): number
  }
  global {
    interface Buffer {
      latin1Slice(start?: number, end?: number): string
      latin1Write(text: string, offset?: number, length?: number): number
    }
  }
}
export {}
