/* The agent moves the link to the door: while there is none, every connection is reset; when it points elsewhere, all connections of
 * before are reset first, those that wait to be accepted as well, so that nothing of one task's is left when the next one comes. */
#include "system.h"

enum { LINKS_MAX = 512, BUFFER_BYTES = 16384, KERNEL_BUFFER_BYTES = 65536, BACKLOG = 1024 };
enum { LOOK_MS = 100, DIAL_MS = 5000, DIAL_AGAIN_MS = 20, LAST_WORDS_MS = 2000, TURNS_MAX = 4, ACCEPTS_MAX = 32 };

struct buffer { u32 start, end; u8 bytes[BUFFER_BYTES]; };
/* ended: gave its last byte. shut: was told that no more comes. hung: dead in both directions, and would wake every poll. */
struct side { int fd; bool ended, shut, hung; };
struct link {
  bool is_used, is_dialling, is_unfinished;
  /* The proxy's side takes nothing more: what the task still sends is read and dropped, so that it gets to see the answer. */
  bool is_door_gone;
  u64 deadline_ms;
  struct side task, door;
  struct buffer up, down;
};

static struct link links[LINKS_MAX];
static struct poll_entry entries[2 + 2 * LINKS_MAX];
static struct unix_address door;
static u64 door_bytes;
static int used, listener, watch;
static u64 looked_ms, accept_again_ms;

static void set_option(int fd, int level, int name, int value) { CALL5(setsockopt, fd, level, name, &value, sizeof value); }

static void close_with_reset(int fd) {
  struct linger linger = {1, 0};
  CALL5(setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  CALL1(close, fd);
}

static void end_link(struct link *link, bool with_reset) {
  if (link->door.fd >= 0) CALL1(close, link->door.fd);
  if (with_reset) close_with_reset(link->task.fd);
  else CALL1(close, link->task.fd);
  link->is_used = false;
  used--;
}

/* Whoever waits to be accepted came before the door was where it is now. */
static void reset_waiting(void) {
  for (int i = 0; i <= BACKLOG; i++) {
    i64 fd = CALL4(accept4, listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) close_with_reset((int)fd);
    else if (fd != -ECONNABORTED && fd != -EINTR) return;
  }
}

/* Looks where the door is now; true when it is elsewhere than before. */
static bool look_at_door(void) {
  char path[sizeof door.path];
  i64 bytes = CALL4(readlinkat, AT_FDCWD, "door", path, sizeof path);
  /* A target that fills the buffer was cut. */
  if (bytes <= 0 || bytes >= (i64)sizeof path) bytes = 0;
  looked_ms = now_ms();
  bool is_same_door = (u64)bytes == door_bytes;
  for (i64 i = 0; i < bytes; i++) {
    is_same_door = is_same_door && door.path[i] == path[i];
    door.path[i] = path[i];
  }
  door.path[bytes] = 0;
  door_bytes = (u64)bytes;
  if (is_same_door) return false;
  for (int i = 0; i < LINKS_MAX; i++)
    if (links[i].is_used) end_link(&links[i], true);
  reset_waiting();
  return true;
}

/* False when there is nobody and will be nobody. */
static bool dial(struct link *link, u64 now) {
  i64 fd = CALL3(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  set_option((int)fd, SOL_SOCKET, SO_SNDBUF, KERNEL_BUFFER_BYTES);
  i64 result = CALL3(connect, fd, &door, 2 + door_bytes + 1);
  link->is_dialling = result == -EAGAIN;
  if (result == 0) link->door.fd = (int)fd;
  else CALL1(close, fd);
  return result == 0 || (link->is_dialling && now < link->deadline_ms);
}

static void open_link(struct link *link, int fd, u64 now) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  link->is_used = true;
  link->is_dialling = link->is_unfinished = link->is_door_gone = false;
  link->deadline_ms = now + DIAL_MS;
  link->task = (struct side){fd, false, false, false};
  link->door = (struct side){-1, false, false, false};
  link->up.start = link->up.end = link->down.start = link->down.end = 0;
  used++;
  if (!dial(link, now)) end_link(link, true);
}

static void accept_links(u64 now) {
  struct link *link = links;
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    while (link < links + LINKS_MAX && link->is_used) link++;
    if (link == links + LINKS_MAX) return;
    i64 fd = CALL4(accept4, listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -EAGAIN) return;
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
      accept_again_ms = now + LOOK_MS;
      return;
    }
    if (fd < 0) continue;
    if (look_at_door() || door_bytes == 0) close_with_reset((int)fd);
    else open_link(link, (int)fd, now);
  }
}

enum outcome { IDLE, MOVED, BROKEN };

static enum outcome fill(struct side *from, struct buffer *buffer) {
  if (buffer->start != buffer->end || from->ended) return IDLE;
  i64 bytes = CALL6(recvfrom, from->fd, buffer->bytes, BUFFER_BYTES, 0, 0, 0);
  if (bytes == -EAGAIN || bytes == -EINTR) return IDLE;
  if (bytes < 0) return BROKEN;
  buffer->start = 0;
  buffer->end = (u32)bytes;
  from->ended = bytes == 0;
  return MOVED;
}

static enum outcome drain(struct buffer *buffer, struct side *to) {
  if (buffer->start == buffer->end) return IDLE;
  i64 bytes = CALL6(sendto, to->fd, buffer->bytes + buffer->start, buffer->end - buffer->start, MSG_NOSIGNAL, 0, 0);
  if (bytes == -EAGAIN || bytes == -EINTR) return IDLE;
  if (bytes < 0) return BROKEN;
  buffer->start += (u32)bytes;
  return MOVED;
}

/* Passes the end of one side on to the other, once nothing is left before it. */
static void pass_end(const struct side *from, const struct buffer *buffer, struct side *to) {
  if (!from->ended || to->shut || buffer->start != buffer->end) return;
  CALL2(shutdown, to->fd, SHUT_WR);
  to->shut = true;
}

/* False when the task's side is broken. */
static bool move_up(struct link *link, bool *moved) {
  enum outcome filled = fill(&link->task, &link->up);
  if (filled == BROKEN) return false;
  if (link->is_door_gone) link->up.start = link->up.end = 0;
  enum outcome drained = link->is_door_gone ? IDLE : drain(&link->up, &link->door);
  if (drained == BROKEN) link->is_door_gone = true;
  if (!link->is_door_gone) pass_end(&link->task, &link->up, &link->door);
  *moved = *moved || filled == MOVED || drained != IDLE;
  return true;
}

static bool move_down(struct link *link, bool *moved) {
  enum outcome filled = fill(&link->door, &link->down);
  if (filled == BROKEN) link->door.ended = link->is_door_gone = true;
  enum outcome drained = drain(&link->down, &link->task);
  if (drained == BROKEN) return false;
  pass_end(&link->door, &link->down, &link->task);
  *moved = *moved || filled != IDLE || drained == MOVED;
  return true;
}

static void serve(struct link *link, short task_events, short door_events, u64 now) {
  if ((task_events & POLLERR) != 0) return end_link(link, true);
  link->task.hung = link->task.hung || (task_events & POLLHUP) != 0;
  if ((door_events & (POLLHUP | POLLERR)) != 0) link->door.hung = link->is_door_gone = true;
  bool moved = true;
  for (int turn = 0; moved && turn < TURNS_MAX; turn++) {
    moved = false;
    if (!move_up(link, &moved) || !move_down(link, &moved)) return end_link(link, true);
  }
  link->is_unfinished = moved;
  bool is_task_told = link->task.shut;
  if (is_task_told && link->task.ended && (link->door.shut || link->is_door_gone)) return end_link(link, false);
  if (is_task_told && link->is_door_gone && link->door.fd >= 0) {
    CALL1(close, link->door.fd);
    link->door.fd = -1;
    link->deadline_ms = now + LAST_WORDS_MS;
  }
}

/* Time is up for one that dials, and for one that goes on sending to nobody. */
static void serve_waiting(struct link *link, u64 now) {
  if (link->is_dialling && !dial(link, now)) return end_link(link, true);
  if (!link->is_dialling && link->door.fd < 0 && now >= link->deadline_ms) end_link(link, true);
}

static struct poll_entry entry_of(const struct side *side, bool reads, bool writes) {
  short events = (short)((reads && !side->ended ? POLLIN : 0) | (writes ? POLLOUT : 0));
  return (struct poll_entry){side->hung ? -1 : side->fd, events, 0};
}

/* Fills in what to wait for; the result is how long. */
static i64 prepare_wait(u64 now) {
  bool is_full = used == LINKS_MAX || now < accept_again_ms;
  entries[0] = (struct poll_entry){is_full ? -1 : listener, POLLIN, 0};
  entries[1] = (struct poll_entry){watch, POLLIN, 0};
  i64 wait_ms = used > 0 || is_full || watch < 0 ? LOOK_MS : -1;
  for (int i = 0; i < LINKS_MAX; i++) {
    struct link *link = &links[i];
    struct poll_entry *pair = &entries[2 + 2 * i];
    pair[0] = pair[1] = (struct poll_entry){-1, 0, 0};
    if (!link->is_used) continue;
    if (link->is_dialling) {
      wait_ms = wait_ms < DIAL_AGAIN_MS ? wait_ms : DIAL_AGAIN_MS;
      continue;
    }
    bool is_up_empty = link->up.start == link->up.end, is_down_empty = link->down.start == link->down.end;
    pair[0] = entry_of(&link->task, is_up_empty, !is_down_empty);
    pair[1] = entry_of(&link->door, is_down_empty, !is_up_empty);
    if (link->is_unfinished) wait_ms = 0;
  }
  return wait_ms;
}

static void serve_links(u64 now) {
  for (int i = 0; i < LINKS_MAX; i++) {
    struct link *link = &links[i];
    const struct poll_entry *pair = &entries[2 + 2 * i];
    if (!link->is_used) continue;
    if (link->is_dialling || link->door.fd < 0) serve_waiting(link, now);
    if (link->is_used && !link->is_dialling && (link->is_unfinished || pair[0].revents != 0 || pair[1].revents != 0))
      serve(link, pair[0].revents, pair[1].revents, now);
  }
}

const char *relay(const char *folder, u16 port) {
  struct inet_address address = {AF_INET, big_endian16(port), big_endian32(0x7f000001), {0}};
  door.family = AF_UNIX;
  if (CALL1(chdir, folder) < 0) return "cannot enter the folder of the door";
  listener = (int)CALL3(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  /* Connections inherit these: little of a transfer waits where nobody counts it. */
  set_option(listener, SOL_SOCKET, SO_RCVBUF, KERNEL_BUFFER_BYTES);
  set_option(listener, SOL_SOCKET, SO_SNDBUF, KERNEL_BUFFER_BYTES);
  if (CALL3(bind, listener, &address, sizeof address) < 0) return "cannot bind the port";
  if (CALL2(listen, listener, BACKLOG) < 0) return "cannot listen at the port";
  /* Without a watch (a user may have few) the link is looked at ten times a second. */
  watch = (int)CALL1(inotify_init1, IN_NONBLOCK);
  if (watch >= 0) CALL3(inotify_add_watch, watch, ".", IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE);
  look_at_door();
  CALL3(write, 1, "ready\n", 6);
  for (;;) {
    i64 wait_ms = prepare_wait(now_ms());
    struct time time = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    if (CALL5(ppoll, entries, 2 + 2 * LINKS_MAX, wait_ms < 0 ? 0 : &time, 0, 0) < 0) continue;
    u64 now = now_ms();
    if (entries[1].revents != 0) {
      u8 events[1024];
      while (CALL3(read, watch, events, sizeof events) > 0) continue;
      look_at_door();
    } else if ((used > 0 || watch < 0) && now - looked_ms >= LOOK_MS) look_at_door();
    serve_links(now);
    if (entries[0].revents != 0) accept_links(now);
  }
}
