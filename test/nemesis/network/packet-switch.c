/*
 * A network of a few machines inside one: carries IPv4 packets between network namespaces, and loses,
 * delays, reorders or doubles them as a control file says. Needs root, and nothing else of the kernel
 * than TUN devices: no netem, no packet filter.
 *
 *   packet-switch CONTROL SEED ADDRESS=NAMESPACE ...
 *
 * Opens a TUN device `hf0` in each namespace and writes "ready" to standard output. The control file is
 * mapped: links[from][to] below, by the order of the arguments, may change at any time. A packet is
 * judged when it enters; one that waits is delivered although its link fails meanwhile, as on a long
 * cable. Ends when standard input ends, so that nothing is left behind.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 8
#define PACKET_BYTES_MAX 17000
/* As a real queue: what does not fit is dropped. */
#define WAITING_MAX 8192

struct link {
  uint32_t drop_ppm;
  uint32_t duplicate_ppm;
  uint32_t delay_us;
  uint32_t jitter_us; /* Each packet draws its own: they overtake each other. */
  uint32_t carried;
  uint32_t dropped;
};
struct control {
  volatile struct link links[PORTS_MAX][PORTS_MAX];
};
struct waiting {
  uint64_t due_us;
  uint32_t length;
  uint32_t to;
  unsigned char *bytes;
};

static struct control *control;
static int devices[PORTS_MAX];
static uint32_t addresses[PORTS_MAX];
static int ports = 0;
static struct waiting heap[WAITING_MAX];
static int heap_size = 0;
static uint64_t random_state;

static void die(const char *what) {
  fprintf(stderr, "packet switch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint32_t draw(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return limit == 0 ? 0 : (uint32_t)(random_state >> 16) % limit;
}

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void swap(int left, int right) {
  struct waiting kept = heap[left];
  heap[left] = heap[right];
  heap[right] = kept;
}

static int push(struct waiting packet) {
  if (heap_size == WAITING_MAX) return 0;
  int at = heap_size++;
  heap[at] = packet;
  for (; at > 0 && heap[(at - 1) / 2].due_us > heap[at].due_us; at = (at - 1) / 2) swap(at, (at - 1) / 2);
  return 1;
}

static struct waiting pop(void) {
  struct waiting first = heap[0];
  heap[0] = heap[--heap_size];
  for (int at = 0;;) {
    int least = at, left = 2 * at + 1;
    if (left < heap_size && heap[left].due_us < heap[least].due_us) least = left;
    if (left + 1 < heap_size && heap[left + 1].due_us < heap[least].due_us) least = left + 1;
    if (least == at) return first;
    swap(at, least);
    at = least;
  }
}

/* A device whose queue is full drops, as hardware does; one that is down as well. */
static void deliver(uint32_t to, const unsigned char *bytes, size_t length) {
  if (write(devices[to], bytes, length) < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EIO) die("can't deliver");
}

static int port_of(uint32_t address) {
  for (int port = 0; port < ports; port++) if (addresses[port] == address) return port;
  return -1;
}

static void carry(int from, const unsigned char *bytes, size_t length) {
  uint32_t destination;
  if (length < 20 || bytes[0] >> 4 != 4) return;
  memcpy(&destination, bytes + 16, sizeof destination);
  int to = port_of(destination);
  if (to < 0) return;
  volatile struct link *link = &control->links[from][to];
  if (draw(1000000) < link->drop_ppm) {
    link->dropped++;
    return;
  }
  link->carried++;
  int copies = draw(1000000) < link->duplicate_ppm ? 2 : 1;
  for (; copies > 0; copies--) {
    uint32_t delay = link->delay_us + draw(link->jitter_us);
    if (delay == 0) {
      deliver((uint32_t)to, bytes, length);
      continue;
    }
    struct waiting packet = { now_us() + delay, (uint32_t)length, (uint32_t)to, malloc(length) };
    if (packet.bytes == NULL) die("no memory");
    memcpy(packet.bytes, bytes, length);
    if (!push(packet)) {
      free(packet.bytes);
      link->dropped++;
    }
  }
}

static void open_port(char *argument) {
  char *name = strchr(argument, '=');
  if (name == NULL || ports == PORTS_MAX) die("usage");
  *name++ = 0;
  if (inet_pton(AF_INET, argument, &addresses[ports]) != 1) die(argument);
  int inside = open(name, O_RDONLY | O_CLOEXEC);
  if (inside < 0 || setns(inside, CLONE_NEWNET) != 0) die(name);
  int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  strcpy(request.ifr_name, "hf0");
  if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) die("/dev/net/tun");
  devices[ports++] = device;
  close(inside);
}

int main(int count, char **arguments) {
  if (count < 5) die("usage");
  int file = open(arguments[1], O_RDWR | O_CLOEXEC);
  if (file < 0) die(arguments[1]);
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (control == MAP_FAILED) die("mmap");
  random_state = strtoull(arguments[2], NULL, 10) * 2654435761u + 88172645463325252ull;
  for (int at = 3; at < count; at++) open_port(arguments[at]);
  printf("ready\n");
  fflush(stdout);
  struct pollfd sources[PORTS_MAX + 1];
  for (int port = 0; port < ports; port++) sources[port] = (struct pollfd){ .fd = devices[port], .events = POLLIN };
  sources[ports] = (struct pollfd){ .fd = 0, .events = POLLIN };
  unsigned char bytes[PACKET_BYTES_MAX];
  for (;;) {
    struct timespec wait = { 1, 0 };
    uint64_t now = now_us();
    if (heap_size > 0) {
      uint64_t left = heap[0].due_us > now ? heap[0].due_us - now : 0;
      wait = (struct timespec){ (time_t)(left / 1000000u), (long)(left % 1000000u) * 1000 };
    }
    if (ppoll(sources, (nfds_t)ports + 1, &wait, NULL) < 0 && errno != EINTR) die("poll");
    if (sources[ports].revents != 0) return 0;
    for (int port = 0; port < ports; port++) {
      if (!(sources[port].revents & POLLIN)) continue;
      for (int burst = 0; burst < 64; burst++) {
        ssize_t length = read(devices[port], bytes, sizeof bytes);
        if (length <= 0) break;
        carry(port, bytes, (size_t)length);
      }
    }
    for (now = now_us(); heap_size > 0 && heap[0].due_us <= now;) {
      struct waiting packet = pop();
      deliver(packet.to, packet.bytes, packet.length);
      free(packet.bytes);
    }
  }
}
