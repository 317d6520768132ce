// Writes the SHA-256 of every file below a folder to /outputs/SHA256SUMS, as `sha256sum` would, sorted by path.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  uint32_t state[8];
  uint8_t block[64];
  size_t held;
  uint64_t length;
} Sha256;

// FIPS 180-4, 4.2.2.
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotated(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void mix(Sha256 *sha) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) {
    const uint8_t *at = sha->block + i * 4;
    w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(s, sha->state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
    uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += one;
    s[0] = one + two;
  }
  for (int i = 0; i < 8; i++) sha->state[i] += s[i];
}

static void begin(Sha256 *sha) {
  static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memset(sha, 0, sizeof *sha);
  memcpy(sha->state, first, sizeof first);
}

static void add(Sha256 *sha, const uint8_t *bytes, size_t length) {
  sha->length += length;
  while (length > 0) {
    size_t part = sizeof sha->block - sha->held < length ? sizeof sha->block - sha->held : length;
    memcpy(sha->block + sha->held, bytes, part);
    sha->held += part;
    bytes += part;
    length -= part;
    if (sha->held == sizeof sha->block) {
      mix(sha);
      sha->held = 0;
    }
  }
}

static void finish(Sha256 *sha, char hex[65]) {
  uint64_t bits = sha->length * 8;
  add(sha, (const uint8_t *)"\x80", 1);
  while (sha->held != 56) add(sha, (const uint8_t *)"", 1);
  for (int i = 0; i < 8; i++) sha->block[56 + i] = (uint8_t)(bits >> (56 - i * 8));
  mix(sha);
  for (int i = 0; i < 8; i++) snprintf(hex + i * 8, 9, "%08x", sha->state[i]);
}

static int files;
static unsigned long long bytes_read;

static int fail(const char *path) {
  fprintf(stderr, "sha256-tree: %s: %s\n", path, strerror(errno));
  return 1;
}

static int sum_file(const char *path, const char *shown, FILE *sums) {
  FILE *file = fopen(path, "rb");
  if (!file) return fail(path);
  static uint8_t block[65536];
  char hex[65];
  Sha256 sha;
  begin(&sha);
  for (size_t length; (length = fread(block, 1, sizeof block, file)) > 0;) add(&sha, block, length);
  fclose(file);
  bytes_read += sha.length;
  finish(&sha, hex);
  fprintf(sums, "%s  %s\n", hex, shown);
  files++;
  return 0;
}

static int not_dots(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

// `root` is the length of the folder's own path and the slash after it, which are not shown.
static int sum_folder(const char *folder, size_t root, FILE *sums) {
  struct dirent **entries;
  int count = scandir(folder, &entries, not_dots, alphasort);
  if (count < 0) return fail(folder);
  int failures = 0;
  for (int i = 0; i < count; i++) {
    char path[4096];
    struct stat found;
    snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    if (lstat(path, &found) != 0) failures += fail(path);
    else if (S_ISDIR(found.st_mode)) failures += sum_folder(path, root, sums);
    else if (S_ISREG(found.st_mode)) failures += sum_file(path, path + root, sums);
    free(entries[i]);
  }
  free(entries);
  return failures;
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : "/inputs";
  FILE *sums = fopen("/outputs/SHA256SUMS", "wb");
  if (!sums) return fail("/outputs/SHA256SUMS");
  int failures = sum_folder(folder, strlen(folder) + 1, sums);
  if (fclose(sums) != 0) return fail("/outputs/SHA256SUMS");
  printf("%d files, %llu bytes\n", files, bytes_read);
  return failures > 0;
}
