// One program for every case of the executor contract: the first argument says what to do.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int print_lines(int count, int pause_ms) {
  struct timespec pause = {pause_ms / 1000, (pause_ms % 1000) * 1000000L};
  for (int i = 1; i <= count; i++) {
    printf("line %d\n", i);
    if (pause_ms > 0) {
      fflush(stdout);
      nanosleep(&pause, NULL);
    }
  }
  return 0;
}

static int print_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return perror(path), 1;
  char buffer[65536];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) fwrite(buffer, 1, n, stdout);
  return 0;
}

static int write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  if (!file) return perror(path), 1;
  fputs(text, file);
  return fclose(file) == 0 ? 0 : 1;
}

// Keeps the compiler from leaving the allocation out.
static char *volatile held;

// Takes memory in steps and writes to it; gives up by a trap.
static int use_memory(long bytes) {
  for (long taken = 0; taken < bytes; taken += 1 << 20) {
    char *block = malloc(1 << 20);
    if (!block) abort();
    held = block;
    memset(block, 1, 1 << 20);
  }
  puts("enough");
  return 0;
}

static int run_forever(void) {
  puts("ready");
  fflush(stdout);
  for (volatile unsigned turn = 0;; turn++) {
  }
}

static int recurse(volatile int depth) {
  volatile char frame[256];
  frame[0] = (char)depth;
  return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

// Prints to stdout for ever, 64 KiB at a time, until `megabytes` have gone out.
static int flood(long megabytes) {
  static char block[65536];
  memset(block, 'x', sizeof block);
  setvbuf(stdout, NULL, _IONBF, 0);
  for (long i = 0; i < megabytes * 16; i++) fwrite(block, 1, sizeof block, stdout);
  return 0;
}

// Writes until the disk refuses; prints how many bytes were taken.
static int fill_disk(const char *path, int is_failing) {
  static char block[10000];
  FILE *file = fopen(path, "wb");
  if (!file) return perror(path), 1;
  setvbuf(file, NULL, _IONBF, 0);
  long total = 0;
  for (size_t n; (n = fwrite(block, 1, sizeof block, file)) > 0;) total += (long)n;
  printf("%ld\n", total);
  return is_failing ? 5 : 0;
}

static int sleep_ms(int ms) {
  struct timespec before, after, pause = {ms / 1000, (ms % 1000) * 1000000L};
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&pause, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  long elapsed = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  printf("%s\n", elapsed >= ms ? "slept" : "woke early");
  return 0;
}

int main(int argc, char **argv) {
  const char *does = argc > 1 ? argv[1] : "";
  const char *a = argc > 2 ? argv[2] : "";
  const char *b = argc > 3 ? argv[3] : "";
  if (!strcmp(does, "exit")) return atoi(a);
  if (!strcmp(does, "print")) return fputs(a, stdout), fputs(b, stderr), 0;
  if (!strcmp(does, "printLines")) return print_lines(atoi(a), atoi(b));
  if (!strcmp(does, "printEnv")) return fputs(getenv(a) ? getenv(a) : "", stdout), 0;
  if (!strcmp(does, "printFile")) return print_file(a);
  if (!strcmp(does, "writeFile")) return write_file(a, b);
  if (!strcmp(does, "useMemory")) return use_memory(atol(a));
  if (!strcmp(does, "runForever")) return run_forever();
  if (!strcmp(does, "recurse")) return recurse(0);
  if (!strcmp(does, "flood")) return flood(atol(a));
  if (!strcmp(does, "fillDisk")) return fill_disk(a, atoi(b));
  if (!strcmp(does, "sleep")) return sleep_ms(atoi(a));
  if (!strcmp(does, "args")) {
    for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
    return 0;
  }
  fprintf(stderr, "no such deed: %s\n", does);
  return 64;
}
