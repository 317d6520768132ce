/* The kernel's interface without a C library: the calls, constants and structures that the holder uses. Same on x86-64 and arm64
 * but for the numbers of the calls. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_socket = 41, SYS_connect = 42, SYS_sendto = 44, SYS_recvfrom = 45,
       SYS_shutdown = 48, SYS_bind = 49, SYS_listen = 50, SYS_setsockopt = 54, SYS_exit = 60, SYS_chdir = 80, SYS_capset = 126,
       SYS_clock_gettime = 228, SYS_inotify_add_watch = 254, SYS_readlinkat = 267, SYS_ppoll = 271, SYS_accept4 = 288,
       SYS_inotify_init1 = 294 };
static inline i64 call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  i64 result;
  register i64 r10 __asm__("r10") = d;
  register i64 r8 __asm__("r8") = e;
  register i64 r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#define ENTRY __asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call start\n")
#elif defined(__aarch64__)
enum { SYS_inotify_init1 = 26, SYS_inotify_add_watch = 27, SYS_chdir = 49, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_ppoll = 73,
       SYS_readlinkat = 78, SYS_capset = 91, SYS_exit = 93, SYS_clock_gettime = 113, SYS_socket = 198, SYS_bind = 200,
       SYS_listen = 201, SYS_connect = 203, SYS_sendto = 206, SYS_recvfrom = 207, SYS_setsockopt = 208, SYS_shutdown = 210,
       SYS_accept4 = 242 };
static inline i64 call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 x8 __asm__("x8") = number;
  register i64 x0 __asm__("x0") = a;
  register i64 x1 __asm__("x1") = b;
  register i64 x2 __asm__("x2") = c;
  register i64 x3 __asm__("x3") = d;
  register i64 x4 __asm__("x4") = e;
  register i64 x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#define ENTRY __asm__(".globl _start\n_start:\n mov x29, #0\n mov x0, sp\n bl start\n")
#else
#error "holders exist for x86-64 and arm64"
#endif

#define CALL1(n, a) call(SYS_##n, (i64)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) call(SYS_##n, (i64)(a), (i64)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) call(SYS_##n, (i64)(a), (i64)(b), (i64)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d) call(SYS_##n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), 0, 0)
#define CALL5(n, a, b, c, d, e) call(SYS_##n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), 0)
#define CALL6(n, a, b, c, d, e, f) call(SYS_##n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

enum { EINTR = 4, EAGAIN = 11, ENOMEM = 12, ENFILE = 23, EMFILE = 24, EOPNOTSUPP = 95, EAFNOSUPPORT = 97 };
enum { ECONNABORTED = 103, ENOBUFS = 105 };
enum { AF_UNIX = 1, AF_INET = 2, AF_NETLINK = 16, SOCK_STREAM = 1, SOCK_RAW = 3, SOCK_NONBLOCK = 04000, SOCK_CLOEXEC = 02000000 };
enum { SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_LINGER = 13, IPPROTO_TCP = 6, TCP_NODELAY = 1 };
enum { MSG_NOSIGNAL = 0x4000, SHUT_WR = 1, AT_FDCWD = -100, CLOCK_MONOTONIC = 1 };
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16 };
enum { IN_MOVED_FROM = 0x40, IN_MOVED_TO = 0x80, IN_CREATE = 0x100, IN_DELETE = 0x200, IN_NONBLOCK = 04000 };

struct poll_entry { int fd; short events, revents; };
struct time { i64 seconds, nanoseconds; };
struct inet_address { u16 family, port; u32 address; u8 zero[8]; };
struct unix_address { u16 family; char path[108]; };
struct linger { int is_on, seconds; };

static inline u16 big_endian16(u16 value) { return __builtin_bswap16(value); }
static inline u32 big_endian32(u32 value) { return __builtin_bswap32(value); }

static inline bool is_same(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

static inline u64 length_of(const char *text) {
  u64 length = 0;
  while (text[length] != 0) length++;
  return length;
}

static inline u64 now_ms(void) {
  struct time time = {0, 0};
  CALL2(clock_gettime, CLOCK_MONOTONIC, &time);
  return (u64)time.seconds * 1000 + (u64)time.nanoseconds / 1000000;
}

/* Relays TCP connections at that port of 127.0.0.1 to the unix socket that the link `door` in the folder points at. Returns only a
 * problem with its start. */
const char *relay(const char *folder, u16 port);
/* Closes the namespace towards IPv4 networks and all of IPv6. The problem, or 0. */
const char *close_networks(int count, char **networks);

#endif
