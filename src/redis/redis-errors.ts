/** Error replies of the connection layer, word for word as Redis 7 gives them: clients match on them. */
import type { ByteString } from '../base/bytes.ts'
import { type ErrorReply, error } from '../kv/reply.ts'

export const AUTHENTICATION_REQUIRED: ErrorReply = error('NOAUTH Authentication required.')
export const WRONG_PASSWORD: ErrorReply = error(
  'WRONGPASS invalid username-password pair or user is disabled.',
)
export const BAD_CLIENT_NAME: ErrorReply = error(
  'ERR Client names cannot contain spaces, newlines or special characters.',
)

export const EXEC_WITHOUT_MULTI: ErrorReply = error('ERR EXEC without MULTI')
export const EXEC_ABORTED: ErrorReply = error('EXECABORT Transaction discarded because of previous errors.')
export const WATCH_IN_MULTI: ErrorReply = error('ERR WATCH inside MULTI is not allowed')

export function execAborted(reason: ErrorReply): ErrorReply {
  return error(`EXECABORT Transaction discarded because of: ${reason.text.replace(/^-?ERR /, '')}`)
}

const QUOTED_NAME_BYTES = 128
const QUOTED_ARGUMENTS_BYTES = 128

export function unknownSubcommand(container: string, subcommand: ByteString): ErrorReply {
  const quoted = quote(subcommand, QUOTED_NAME_BYTES)
  return error(`ERR unknown subcommand '${quoted}'. Try ${container.toUpperCase()} HELP.`)
}

/** Quotes the name and arguments until about 128 bytes of arguments have been shown. */
export function unknownCommand(args: readonly ByteString[]): ErrorReply {
  let shown = ''
  for (let index = 1; index < args.length && shown.length < QUOTED_ARGUMENTS_BYTES; index++) {
    shown += `'${quote(args[index] as ByteString, QUOTED_ARGUMENTS_BYTES - shown.length)}' `
  }
  const name = quote(args[0] as ByteString, QUOTED_NAME_BYTES)
  return error(`ERR unknown command '${name}', with args beginning with: ${shown}`)
}

// Redis prints with C strings: a quoted argument ends at its first NUL.
function quote(bytes: ByteString, maxBytes: number): ByteString {
  const end = bytes.indexOf('\0')
  return bytes.slice(0, end < 0 ? maxBytes : Math.min(end, maxBytes))
}
