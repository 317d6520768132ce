// Makes HTTP requests through wasi:http/requests; the first argument says which.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((import_module("wasi:http/requests"), import_name("http_request")))
uint32_t http_request(uint32_t method, const char *url, uint32_t url_length, const char *headers, uint32_t headers_length,
                      const char *body, uint32_t body_length, char *response_headers, uint32_t *response_headers_length,
                      char *response_body, uint32_t *response_body_length, uint32_t *status);

static char headers_buffer[65536];

// Prints the code, and the whole response when there is one.
static uint32_t ask(uint32_t method, const char *url, const char *headers, const char *body) {
  static char buffer[65536];
  uint32_t headers_length = sizeof headers_buffer, length = sizeof buffer, status = 0;
  uint32_t code = http_request(method, url, strlen(url), headers, strlen(headers), body, strlen(body), headers_buffer,
                               &headers_length, buffer, &length, &status);
  printf("code %u\n", code);
  if (code == 0) printf("status %u\n%.*s\n\n%.*s\n", status, (int)headers_length, headers_buffer, (int)length, buffer);
  fflush(stdout);
  return code;
}

// Sends and takes `size` bytes that follow a pattern; prints the code and whether they came back.
static int echo(const char *url, uint32_t size, uint32_t capacity) {
  char *sent = malloc(size + 1), *taken = malloc(capacity);
  if (!sent || !taken) return puts("no memory"), 1;
  for (uint32_t i = 0; i < size; i++) sent[i] = (char)(i * 7 + i / 1021);
  uint32_t headers_length = sizeof headers_buffer, length = capacity, status = 0;
  uint32_t code = http_request(1, url, strlen(url), NULL, 0, sent, size, headers_buffer, &headers_length, taken, &length, &status);
  printf("code %u, length %u, %s\n", code, length, code == 0 && length == size && !memcmp(sent, taken, size) ? "same" : "other");
  return 0;
}

#define P(number) ((char *)(uintptr_t)(number))
#define C(number) ((uint32_t *)(uintptr_t)(number))

// Every call has one thing that is wrong; none may reach the network.
static int be_hostile(const char *url) {
  static char buffer[64];
  uint32_t n = strlen(url), size = sizeof buffer, huge = 0xffffffff, last = 0xfffffffc, odd;
  uint32_t codes[] = {
      http_request(0, P(huge), n, NULL, 0, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(0, url, huge, NULL, 0, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, P(last), 64, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, url, huge, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, P(last), 64, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, url, huge, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, P(last), &size, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, C(huge), buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &huge, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, P(last), &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, C(huge), &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, &huge, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, &size, C(huge)),
      http_request(0, url, n, NULL, 0, NULL, 0, NULL, &size, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, NULL, buffer, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, NULL, &size, &odd),
      http_request(0, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, NULL, &odd),
      http_request(7, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(huge, url, n, NULL, 0, NULL, 0, buffer, &size, buffer, &size, &odd),
      http_request(0, url, n, "\xff\xfe: a", 5, NULL, 0, buffer, &size, buffer, &size, &odd),
  };
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) printf("%u ", codes[i]);
  return 0;
}

int main(int argc, char **argv) {
  const char *does = argc > 1 ? argv[1] : "", *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "";
  const char *c = argc > 4 ? argv[4] : "", *d = argc > 5 ? argv[5] : "";
  if (!strcmp(does, "ask")) return ask(atoi(a), b, c, d), 0;
  if (!strcmp(does, "askAll")) {
    for (int i = 2; i < argc; i++) ask(0, argv[i], "", "");
    return 0;
  }
  if (!strcmp(does, "askThenLoop")) {
    ask(0, a, "", "");
    for (volatile unsigned turn = 0;; turn++) {
    }
  }
  if (!strcmp(does, "echo")) return echo(a, atol(b), atol(c));
  if (!strcmp(does, "beHostile")) return be_hostile(a);
  return fprintf(stderr, "no such deed: %s\n", does), 64;
}
