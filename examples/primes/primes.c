// Counts the primes of a range that is cut into one piece for each partition. Computes only; reads and writes no file.
#include <stdio.h>
#include <stdlib.h>

static long number_from(const char *variable, long otherwise) {
  const char *text = getenv(variable);
  return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static int is_prime(unsigned long long number) {
  if (number < 4) return number > 1;
  if (number % 2 == 0 || number % 3 == 0) return 0;
  for (unsigned long long divisor = 5; divisor <= number / divisor; divisor += 6) {
    if (number % divisor == 0 || number % (divisor + 2) == 0) return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: primes FROM TO\n", stderr);
    return 64;
  }
  unsigned long long from = strtoull(argv[1], NULL, 10), to = strtoull(argv[2], NULL, 10);
  unsigned long long partition = (unsigned long long)number_from("SKREI_PARTITION_INDEX", 0);
  unsigned long long partitions = (unsigned long long)number_from("SKREI_PARTITION_COUNT", 1);
  unsigned long long first = from + (to - from) * partition / partitions;
  unsigned long long end = from + (to - from) * (partition + 1) / partitions;
  unsigned long primes = 0;
  for (unsigned long long number = first; number < end; number++) primes += (unsigned long)is_prime(number);
  printf("%lu primes from %llu to %llu\n", primes, first, end - 1);
  return 0;
}
