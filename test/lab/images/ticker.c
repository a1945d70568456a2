/*
 * ticker MIB [PERIOD_MS=10]: the program whose memory a move must carry unharmed.
 *
 * It draws a random 128-bit number at start and keeps it in memory only; fills MIB MiB of private memory with a pattern that
 * follows from it; then, each period, checks one page and prints `NUMBER COUNTER MS`, MS being the wall clock in milliseconds.
 * A wrong page: `BAD page N`, exit 9. SIGTERM: `term`, exit 7. A copy that started afresh shows another number.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { page_bytes = 4096, words_per_page = page_bytes / sizeof(uint64_t) };

static uint64_t number[2];

/* splitmix64: each word of the memory follows from the number and its own position. */
static uint64_t word_at(uint64_t position) {
  uint64_t z = number[0] ^ (number[1] + position * 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void fill_page(uint64_t *memory, uint64_t page) {
  for (uint64_t i = page * words_per_page; i < (page + 1) * words_per_page; i++) memory[i] = word_at(i);
}

static int page_is_right(const uint64_t *memory, uint64_t page) {
  for (uint64_t i = page * words_per_page; i < (page + 1) * words_per_page; i++)
    if (memory[i] != word_at(i)) return 0;
  return 1;
}

static void on_term(int signal_number) {
  (void)signal_number;
  static const char said[] = "term\n";
  if (write(STDOUT_FILENO, said, sizeof said - 1) < 0) _exit(8);
  _exit(7);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  long mib = argc > 1 ? atol(argv[1]) : 16;
  long period_ms = argc > 2 ? atol(argv[2]) : 10;
  if (mib < 1 || period_ms < 1) {
    fputs("usage: ticker MIB [PERIOD_MS=10]\n", stderr);
    return 64;
  }
  signal(SIGTERM, on_term);
  if (getrandom(number, sizeof number, 0) != sizeof number) fail("getrandom");

  uint64_t pages = (uint64_t)mib * 1024 * 1024 / page_bytes;
  uint64_t *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  for (uint64_t page = 0; page < pages; page++) fill_page(memory, page);

  setvbuf(stdout, NULL, _IOLBF, 256);
  /* A relative sleep: a program that was frozen goes on at its pace instead of catching up in a burst. */
  struct timespec period = {.tv_sec = period_ms / 1000, .tv_nsec = period_ms % 1000 * 1000000};
  for (uint64_t counter = 1;; counter++) {
    uint64_t page = counter % pages;
    if (!page_is_right(memory, page)) {
      printf("BAD page %llu\n", (unsigned long long)page);
      return 9;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%016llx%016llx %llu %lld\n", (unsigned long long)number[0], (unsigned long long)number[1],
           (unsigned long long)counter, (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    nanosleep(&period, NULL);
  }
}
