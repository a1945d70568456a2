/*
 * Bounded load, by three modes; every one ends by itself.
 *   burner cpu SECONDS [THREADS=1]       all the CPU it is given
 *   burner ram MIB SECONDS               MIB MiB of touched memory; `ram MIB` on stdout once it is held
 *   burner duty SECONDS PERCENT THREADS  PERCENT of a core on each thread: what makes a node red from outside its services
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { slice_ms = 50, threads_max = 64, seconds_max = 600 };

struct load {
  double until_ms;
  long percent;
};

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

static void *burn(void *argument) {
  const struct load *load = argument;
  volatile unsigned long work = 0;
  while (now_ms() < load->until_ms) {
    double busy_until = now_ms() + slice_ms * load->percent / 100.0;
    while (now_ms() < busy_until)
      for (int i = 0; i < 1000; i++) work += i;
    if (load->percent < 100) usleep((useconds_t)(slice_ms * (100 - load->percent) * 10));
  }
  return NULL;
}

static int burn_all(long seconds, long percent, long threads) {
  struct load load = {.until_ms = now_ms() + seconds * 1000.0, .percent = percent};
  pthread_t ids[threads_max];
  for (long i = 0; i < threads; i++)
    if (pthread_create(&ids[i], NULL, burn, &load) != 0) return 1;
  for (long i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  return 0;
}

static int hold(long mib, long seconds) {
  size_t bytes = (size_t)mib * 1024 * 1024;
  char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  memset(memory, 1, bytes);
  printf("ram %ld\n", mib);
  fflush(stdout);
  sleep((unsigned)seconds);
  return 0;
}

static long within(const char *text, long least, long most) {
  long value = text ? atol(text) : 1;
  if (value < least || value > most) {
    fprintf(stderr, "burner: %s is not within %ld and %ld\n", text, least, most);
    exit(64);
  }
  return value;
}

int main(int argc, char **argv) {
  const char *mode = argc > 2 ? argv[1] : "";
  if (!strcmp(mode, "cpu")) return burn_all(within(argv[2], 1, seconds_max), 100, within(argv[3], 1, threads_max));
  if (!strcmp(mode, "ram") && argc > 3) return hold(within(argv[2], 1, 1 << 20), within(argv[3], 1, seconds_max));
  if (!strcmp(mode, "duty") && argc > 4)
    return burn_all(within(argv[2], 1, seconds_max), within(argv[3], 1, 100), within(argv[4], 1, threads_max));
  fputs("usage: burner cpu SECONDS [THREADS] | ram MIB SECONDS | duty SECONDS PERCENT THREADS\n", stderr);
  return 64;
}
