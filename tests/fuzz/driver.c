/*
 * The main() of fuzz targets where there is no libFuzzer: feeds LLVMFuzzerTestOneInput() with the
 * files and folders given as arguments; without arguments with the target's corpus,
 * tests/fuzz/corpus/NAME for fuzz_NAME, and a bounded number of mutations of it.
 *
 * Mutations are the same at each run (FUZZ_RUNS: how many, FUZZ_SEED: which). The input under test
 * is in NAME.last until it was survived: a crash leaves it there, to be given as an argument, and
 * added to the corpus once understood.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX (1024 * 1024)
#define INPUTS_MAX 4096
#define RUNS_DEFAULT 20000
#define STEPS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t *bytes;
	size_t len;
};

static struct input corpus[INPUTS_MAX];
static size_t ncorpus;
static uint64_t state;
static int last_fd = -1;

static void *must(void *ptr)
{
	if (!ptr) {
		fprintf(stderr, "fuzz: out of memory\n");
		exit(2);
	}
	return ptr;
}

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t random_below(size_t n)
{
	return n ? (size_t)(random_u64() % n) : 0;
}

static void input_add(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f || ncorpus == INPUTS_MAX) {
		fprintf(stderr, "fuzz: cannot take %s\n", path);
		exit(2);
	}
	uint8_t *bytes = must(malloc(INPUT_MAX));
	size_t len = fread(bytes, 1, INPUT_MAX, f);
	fclose(f);
	corpus[ncorpus++] = (struct input){ must(realloc(bytes, len + 1)), len };
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void path_add(const char *path)
{
	struct dirent **entries;
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		input_add(path);
		return;
	}
	int n = scandir(path, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		char file[4096];
		if (entries[i]->d_name[0] != '.' &&
		    (size_t)snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) <
			    sizeof(file))
			input_add(file);
		free(entries[i]);
	}
	free(entries);
}

/* A copy of exactly that length: then the address sanitizer sees a read past the end. */
static void run(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = must(malloc(len ? len : 1));
	memcpy(copy, bytes, len);
	if (last_fd >= 0 && (ftruncate(last_fd, 0) < 0 || pwrite(last_fd, bytes, len, 0) < 0))
		last_fd = -1;
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

/* Puts n bytes of `from` (or noise) in the place of `cut` bytes at a random position. */
static void bytes_replace(struct input *input, const struct input *from, size_t cut, size_t n)
{
	size_t at = random_below(input->len + 1);
	if (cut > input->len - at)
		cut = input->len - at;
	if (input->len - cut + n > INPUT_MAX)
		return;
	memmove(input->bytes + at + n, input->bytes + at + cut, input->len - at - cut);
	size_t start = from && from->len > n ? random_below(from->len - n) : 0;
	for (size_t i = 0; i < n; i++)
		input->bytes[at + i] = from && start + i < from->len ? from->bytes[start + i]
								     : (uint8_t)random_u64();
	input->len = input->len - cut + n;
}

static void mutate_once(struct input *input)
{
	static const uint8_t telling[] = { 0,	 1,    2,   0x7f, 0x80, 0xff,
					   0x0a, 0x12, '"', '{',  '(',	'\n' };
	size_t at = random_below(input->len);
	switch (random_below(7)) {
	case 0:
		if (input->len)
			input->bytes[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 1:
		if (input->len)
			input->bytes[at] = telling[random_below(sizeof(telling))];
		break;
	case 2:
		if (input->len)
			input->bytes[at] = (uint8_t)(input->bytes[at] + random_below(9) - 4);
		break;
	case 3:
		bytes_replace(input, NULL, random_below(9), 0);
		break;
	case 4:
		bytes_replace(input, NULL, random_below(3), random_below(11));
		break;
	case 5:
		bytes_replace(input, &corpus[random_below(ncorpus)], random_below(17),
			      random_below(65));
		break;
	default:
		if (random_below(4) == 0)
			input->len = at;
		break;
	}
}

static unsigned long environment_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void run_mutations(unsigned long runs, unsigned long seed)
{
	struct input input = { must(malloc(INPUT_MAX)), 0 };
	for (unsigned long i = 0; i < runs; i++) {
		const struct input *from = &corpus[i % ncorpus];
		state = (seed + i + 1) * 0x9e3779b97f4a7c15u;
		memcpy(input.bytes, from->bytes, from->len);
		input.len = from->len;
		for (size_t step = 0, n = 1 + random_below(STEPS_MAX); step < n; step++)
			mutate_once(&input);
		run(input.bytes, input.len);
	}
	free(input.bytes);
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *name = strstr(base, "fuzz_") ? strstr(base, "fuzz_") + 5 : base;
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	unsigned long runs = argc > 1 ? 0 : environment_number("FUZZ_RUNS", RUNS_DEFAULT);
	char path[4096];
	for (int i = 1; i < argc; i++)
		path_add(argv[i]);
	if (argc == 1) {
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
			 name);
		path_add(path);
	}
	if (ncorpus == 0) {
		fprintf(stderr, "fuzz: nothing in %s\n", path);
		return 2;
	}
	snprintf(path, sizeof(path), "%s.last", name);
	if (argc == 1)
		last_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	for (size_t i = 0; i < ncorpus; i++)
		run(corpus[i].bytes, corpus[i].len);
	run_mutations(runs, environment_number("FUZZ_SEED", 0));
	if (argc == 1)
		unlink(path);
	printf("%s: survived %zu inputs and %lu mutations\n", name, ncorpus, runs);
	for (size_t i = 0; i < ncorpus; i++)
		free(corpus[i].bytes);
	return 0;
}
