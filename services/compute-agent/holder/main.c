/* What a holder runs: `wait` holds a namespace, `door FOLDER PORT` relays to the network-proxy, `closed NETWORK...` closes the
 * namespace towards networks and then waits. The last two say "ready" on stdout, or what is wrong. */
#include "system.h"

ENTRY;

__attribute__((noreturn)) static void wait_forever(void) {
  for (;;) CALL5(ppoll, 0, 0, 0, 0, 0);
}

static u16 port_of(const char *text) {
  u32 port = 0;
  while (*text >= '0' && *text <= '9') port = port * 10 + (u32)(*text++ - '0');
  return (u16)port;
}

__attribute__((noreturn)) static void end_with(const char *problem) {
  CALL3(write, 1, problem, length_of(problem));
  CALL3(write, 1, "\n", 1);
  for (;;) CALL1(exit, 1);
}

__attribute__((used, noreturn)) void start(u64 *stack) {
  int count = (int)stack[0];
  char **words = (char **)(stack + 1);
  const char *verb = count > 1 ? words[1] : "";
  if (is_same(verb, "wait")) wait_forever();
  if (is_same(verb, "door") && count == 4) end_with(relay(words[2], port_of(words[3])));
  if (is_same(verb, "closed") && count > 2) {
    const char *problem = close_networks(count - 2, words + 2);
    if (problem != 0) end_with(problem);
    CALL3(write, 1, "ready\n", 6);
    wait_forever();
  }
  end_with("say wait, door or closed, and what that needs");
}

void *memset(void *to, int value, u64 count) {
  u8 *bytes = to;
  while (count-- > 0) *bytes++ = (u8)value;
  return to;
}

void *memcpy(void *to, const void *from, u64 count) {
  u8 *bytes = to;
  const u8 *source = from;
  while (count-- > 0) *bytes++ = *source++;
  return to;
}
