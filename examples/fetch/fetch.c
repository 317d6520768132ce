// Fetches the URLs given as arguments and keeps what they answer as /outputs/0, /outputs/1, … Ends with 1 when one cannot be had.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The way out of a module: docs/network.md. Lengths of the two buffers go in as what fits and come back as what was written.
__attribute__((import_module("wasi:http/requests"), import_name("http_request")))
uint32_t http_request(uint32_t method, const char *url, uint32_t url_length, const char *headers, uint32_t headers_length,
                      const char *body, uint32_t body_length, char *response_headers, uint32_t *response_headers_length,
                      char *response_body, uint32_t *response_body_length, uint32_t *status);

enum { GET = 0, BODY_BYTES_MAX = 16 * 1024 * 1024 };

static const char *const PROBLEMS[] = {"",          "invalid URL", "network error", "timeout", "not allowed: not on the list of the job or of the node",
                                       "too large", "bad input",   "no memory"};

static int fetch(const char *url, int number, char *body) {
  static char headers[65536];
  uint32_t headers_length = sizeof headers, length = BODY_BYTES_MAX, status = 0;
  uint32_t problem = http_request(GET, url, strlen(url), "", 0, "", 0, headers, &headers_length, body, &length, &status);
  if (problem != 0) {
    fprintf(stderr, "%s: %s\n", url, problem < sizeof PROBLEMS / sizeof *PROBLEMS ? PROBLEMS[problem] : "unknown problem");
    return 1;
  }
  printf("%s: status %u, %u bytes\n", url, status, length);
  char path[32];
  snprintf(path, sizeof path, "/outputs/%d", number);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(body, 1, length, file) != length || fclose(file) != 0) return perror(path), 1;
  return status >= 400;
}

int main(int argc, char **argv) {
  char *body = malloc(BODY_BYTES_MAX);
  if (!body) return fputs("no memory\n", stderr), 1;
  int failures = 0;
  for (int i = 1; i < argc; i++) failures += fetch(argv[i], i - 1, body);
  return failures > 0;
}
