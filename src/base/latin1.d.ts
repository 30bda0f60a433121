/** Buffer methods that Node has and documents as `encoding: 'latin1'`, but that its types leave out. They skip one dispatch. */
declare global {
  interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> extends Uint8Array<TArrayBuffer> {
    latin1Slice(start?: number, end?: number): string
    latin1Write(text: string, offset?: number, length?: number): number
  }
}

export {}
