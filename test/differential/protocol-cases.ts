/** What is sent to both servers: broken bytes, odd lines, and the commands about connections. */
import type { ByteString } from '../../src/base/bytes.ts'
import { splitInlineRequest } from '../../src/redis/inline-request.ts'
import { encodeRequest } from './resp-request.ts'

export const PASSWORD = 'secret'

const request = (...args: string[]): ByteString => encodeRequest(args)

export const LINES: readonly ByteString[] = [
  '\r\n',
  '\n',
  '   \r\n',
  'PING\n',
  '  PING \t a  \r\n',
  'PING "a b"\r\n',
  'PING "\\x41\\n\\"\\a\\q\\xzz\\x4"\r\n',
  "PING 'a\\'b\\n'\r\n",
  "PING ''\r\n",
  '"PING" a"b c"\r\n',
  'PING\r x\r\n',
  'PING\vabc\r\n',
  'PING \va\r\n',
  'PING\fa b\r\n',
  'PING "a"\vb\r\n',
  'PING "a" \r\n',
  'PING "a\r\n',
  "PING 'a\r\n",
  'PING "a"b\r\n',
  "PING 'a'b\r\n",
  'PING a"b\r\n',
  '$4\r\nPING\r\n',
  '+PING\r\n',
  'foo bar "b\'az"\r\n',
  'PING \xff\x80\r\n',
  'set a "\\xff\\x00"\r\nget a\r\n',
  `PING ${'x'.repeat(60_000)}\r\n`,
  'PING\r\nPING\r\n\r\nPING\r\n',
]

export const ARRAYS: readonly ByteString[] = [
  '*0\r\n',
  '*-1\r\n',
  '*-5\r\n',
  '*-9223372036854775808\r\n',
  '*-9223372036854775809\r\n',
  '*9223372036854775808\r\n',
  '*abc\r\n',
  '*\r\n',
  '* 1\r\n',
  '*+1\r\n',
  '*01\r\n',
  '*1 \r\n',
  '*-0\r\n',
  '*1\r\nfoo\r\n',
  '*1\r\n:5\r\n',
  '*1\r\n\r\n',
  '*1\r\n\xff\r\n',
  "*1\r\n'\r\n",
  '*1\r\n$-1\r\n',
  '*1\r\n$abc\r\n',
  '*1\r\n$\r\n',
  '*1\r\n$04\r\n',
  '*1\r\n$+4\r\n',
  '*1\r\n$ 4\r\n',
  '*1\r\n$536870913\r\n',
  '*1\r\n$99999999999999999999\r\n',
  '*2147483648\r\n',
  '*1\rx$4\rxPING\r\n',
  '*1\r\n$4\r\nPINGxx',
  '*1\r\n$0\r\n\r\n',
  `PING\r\n${request('PING')}*1\r\n$x\r\n${request('PING')}`,
]

/** Lines without an end, long enough for any reader to lose patience. */
export const ENDLESS: readonly ByteString[] = ['', '*', '*1\r\n$', '*1\r\nb', 'PING\r\n'].map(
  (prefix) => prefix + '1'.repeat(100_000),
)

/** One call a line, quoted like an inline request; sent as an array. */
export const CALLS: readonly (readonly ByteString[])[] = String.raw`
nosuch
nosuch "" b c
nosuch xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y
qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
"f\x0d\x0ao" "a\x0ab"
"f\x00o" "a\x00b"
nosuch argument-0 argument-1 argument-2 argument-3 argument-4 argument-5 argument-6 argument-7 argument-8 argument-9 argument-10 argument-11 argument-12 argument-13 argument-14 argument-15 argument-16 argument-17 argument-18 argument-19
config|get x
GET
get a b
PiNg
ping a
ping a b
echo
echo "a\x0d\x0ab"
quit
quit a
reset
reset a
time x
select
select 0
select 16
select -1
select abc
select 99999999999
auth
auth x
auth default x
auth foo x
auth a b c
hello
hello 2
hello 3
hello 1
hello 4
hello x
hello 3 foo
hello 3 auth
hello 3 AUTH default x
hello 3 auth foo x
hello 3 setname
hello 3 SETNAME n
hello 3 setname "a b"
hello 2 setname n auth default x
client
client nosuch
client "a\x0d\x0ab"
CLIENT GETNAME
client getname x
client setname n
client setname ""
client setname "a b"
client setname "a\x0ab"
client setname "a\xff"
client id x
client no-evict ON
client no-evict x
client list type x
client list id
client list id x
client list id 0
client list id 999999
client list x
client list type replica
client kill
client kill 1.1.1.1:1
client kill id 99999
client kill id x
client kill id 0
client kill x y
client kill type x
client kill type master
client kill user nosuch
client kill skipme x
client kill addr 1.1.1.1:1 skipme
client kill laddr 1.1.1.1:1 SKIPME NO
config
config nosuch
config get
config get nosuch
config get MAXMEMORY
config get requirepass
config get maxmemory-p[a-z]*
config get timeout TIMEOUT time*out
config set
config set a
config set NoSuch x
config set maxclients 10 x
config set maxclients abc
config set MAXCLIENTS abc
config set timeout -1
config set timeout 1 timeout 2
config set databases 3
config set timeout 0
config set proto-max-bulk-len x
config set databases 3 nosuch x
config rewrite
config resetstat
command nosuch
command count x
command info nosuch
command docs nosuch
command getkeys
command getkeys get
command getkeys get a
command getkeys mset a b c d
command getkeys nosuch a
command getkeys ping a
command getkeys get a b
command getkeys del a b a
command list x
command list filterby x y
command list filterby module x
command list filterby pattern ge[t]
info nosuch
client reply
client reply x
client reply on
client pause
client pause x
client pause -1
client pause 1 bad
client unpause
client caching yes
client caching
client getredir
client trackinginfo
client tracking off
client tracking x
client unblock 1
client unblock x
client unblock 1 x
client unblock 1 error
command getkeysandflags get
command getkeysandflags nosuch a
command getkeysandflags ping a
slowlog
slowlog nosuch
slowlog len
slowlog reset
slowlog get x
slowlog get -2
slowlog get 0
slowlog get 1 2
latency latest
latency history x
latency reset
latency graph x
latency histogram nosuch
latency nosuch
wait
wait 0 10
wait x 1
wait 0 x
wait 0 -1
multi x
exec
exec x
discard
discard x
unwatch
unwatch x
watch
object
object nosuch
object encoding
memory nosuch
memory usage
`
  .trim()
  .split('\n')
  .map((line) => splitInlineRequest(line) ?? [])

/** Several calls, one a line; an empty line ends a connection. */
export const CONVERSATIONS: readonly ByteString[] = `
multi
multi
exec

multi
watch a
exec
exec

multi
nosuch
exec
exec

multi
get
ping
exec

multi
exec x
exec

multi
discard x
exec

multi
client kill x
hello 9
ping
echo x
select 99
client setname n
client getname
exec
client getname

multi
discard
discard

multi
get a
reset
exec

multi
quit
exec

watch a b a
watch b
unwatch
multi
unwatch
exec

watch a
watch

set a 1
watch a
multi
set a 2
ping
get a
exec
get a

multi
set a 1
get
set a 3
exec
get a

client reply off
ping
nosuch
get a
client reply skip
ping
client reply on
ping

client reply skip
ping
ping

client reply skip
client reply skip
ping
ping

client reply skip
client reply on
ping

client reply off
multi
set a 5
exec
client reply on
get a

client reply off
reset
ping
`
  .trim()
  .split('\n\n')
  .map((calls) =>
    calls
      .split('\n')
      .map((line) => request(...line.split(' ')))
      .join(''),
  )

/** Sent as they are to a server with a password. */
export const BEFORE_AUTH: readonly ByteString[] = [
  request('get', 'a'),
  request('ping'),
  request('hello'),
  request('hello', '3'),
  request('hello', '4'),
  request('quit'),
  request('reset'),
  request('hello', '3', 'auth', 'default', 'bad'),
  request('hello', '3', 'auth', 'default', PASSWORD),
  request('hello', '3', 'setname', 'n'),
  request('auth', 'bad'),
  request('auth', PASSWORD),
  request('auth', 'default', PASSWORD),
  request('auth', 'foo', PASSWORD),
  request('auth'),
  request('exec'),
  request('multi'),
  request('nosuch', 'a'),
  request('get'),
  request('client'),
  request('client', 'nosuch'),
  request('client', 'id'),
  request('command'),
  request('auth', PASSWORD) + request('get', 'a') + request('reset') + request('get', 'a'),
  request('auth', PASSWORD) + request('auth', 'bad') + request('get', 'a'),
  '*10\r\n',
  '*11\r\n',
  '*1\r\n$16385\r\n',
  '*1\r\n$99999999999\r\n',
  '*99999999999\r\n',
  request('x'.repeat(16_384)),
  request('auth', PASSWORD) + request(...new Array(11).fill('a')),
  `${request('auth', 'bad')}*11\r\n`,
]

export const CROSS_PROTOCOL: readonly ByteString[] = [
  'POST / HTTP/1.1\r\n',
  'Host: x\r\n',
  'host: x\r\nPING\r\n',
  request('POST'),
]

/** Pieces from which random streams are put together. No NUL: redis-server waits for ever behind one. */
export const FRAGMENTS: readonly ByteString[] = [
  '*1\r\n|*2\r\n|*3\r\n|*0\r\n|*-1\r\n|*|$|$2\r\n|$-1\r\n|$0\r\n\r\n|$1\r\na\r\n|$4\r\nPING\r\n|$4\r\nECHO\r\n',
  '$3\r\nGET\r\n|PING|PING\r\n|ECHO a\r\n|+OK\r\n|:1\r\n| |\r\n|\r|\n|\t|"|\'|\\|\\x|a|1|-|"a b"|\'a\'|\xff',
]
  .join('|')
  .split('|')
