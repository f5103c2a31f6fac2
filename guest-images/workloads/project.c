/*
 * A C project of some thousand lines, the same every time: modules of functions with a loop, a table and a switch, a
 * header, a makefile. What its program prints is computed here from the same numbers.
 */
#include <stdio.h>
#include <string.h>

#include "workload.h"

#define FUNCTIONS 24
#define TABLE 8
#define ROUNDS 100

struct function {
	uint32_t table[TABLE];
	uint32_t seed, factor, mask, step;
	int turn, shift, repetitions;
};

static uint32_t state;
static long lines;

static uint32_t pick(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static struct function make_function(void)
{
	struct function f;

	for (int i = 0; i < TABLE; i++)
		f.table[i] = pick();
	f.seed = pick();
	f.factor = pick() | 1;
	f.mask = pick();
	f.step = pick() | 1;
	f.turn = 1 + (int)(pick() % 30);
	f.shift = 1 + (int)(pick() % 30);
	f.repetitions = 4 + (int)(pick() % 12);
	return f;
}

/* What the text of print_function computes. */
static uint32_t result_of(const struct function *f, uint32_t x)
{
	uint32_t sum = f->seed;

	for (uint32_t i = 0; i < (uint32_t)f->repetitions; i++) {
		switch ((x >> 7) % 5) {
		case 0: sum += f->table[i % TABLE] ^ x; break;
		case 1: sum = (sum << f->turn | sum >> (32 - f->turn)) * f->factor; break;
		case 2: sum ^= x * f->mask; break;
		case 3: sum -= f->table[(sum ^ x) % TABLE]; break;
		default: sum += x >> f->shift; break;
		}
		x = x * 1664525 + f->step;
	}
	return sum;
}

static FILE *create(const char *directory, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!file)
		fail_errno(path);
	return file;
}

static void finish(FILE *file)
{
	if (ferror(file) || fclose(file))
		fail_errno("the project's files");
}

#define LINE(file, ...) (fprintf(file, __VA_ARGS__), fputc('\n', file), lines++)

static void print_function(FILE *file, int module, int number, const struct function *f)
{
	LINE(file, "/* Function %d of module %d. */", number, module);
	LINE(file, "static uint32_t f%d(struct trace *trace, uint32_t x)", number);
	LINE(file, "{");
	LINE(file, "\tstatic const uint32_t table[%d] = {", TABLE);
	for (int i = 0; i < TABLE; i++)
		LINE(file, "\t\t0x%08xU,", f->table[i]);
	LINE(file, "\t};");
	LINE(file, "\tuint32_t sum = 0x%08xU;", f->seed);
	LINE(file, "%s", "");
	LINE(file, "\tfor (uint32_t i = 0; i < %d; i++) {", f->repetitions);
	LINE(file, "\t\tswitch ((x >> 7) %% 5) {");
	LINE(file, "\t\tcase 0: sum += table[i %% %d] ^ x; break;", TABLE);
	LINE(file, "\t\tcase 1: sum = rotate(sum, %d) * 0x%08xU; break;", f->turn, f->factor);
	LINE(file, "\t\tcase 2: sum ^= x * 0x%08xU; break;", f->mask);
	LINE(file, "\t\tcase 3: sum -= table[(sum ^ x) %% %d]; break;", TABLE);
	LINE(file, "\t\tdefault: sum += x >> %d; break;", f->shift);
	LINE(file, "\t\t}");
	LINE(file, "\t\tx = x * 1664525U + 0x%08xU;", f->step);
	LINE(file, "\t}");
	LINE(file, "\ttrace_add(trace, \"module%d.f%d\", sum);", module, number);
	LINE(file, "\treturn sum;");
	LINE(file, "}");
	LINE(file, "%s", "");
}

static void print_header(FILE *file, int modules)
{
	LINE(file, "#pragma once");
	LINE(file, "#include <stdint.h>");
	LINE(file, "#include <stdio.h>");
	LINE(file, "#include <stdlib.h>");
	LINE(file, "#include <string.h>");
	LINE(file, "struct trace { uint64_t calls; uint64_t letters; uint32_t last; };");
	LINE(file, "static inline void trace_add(struct trace *trace, const char *name, uint32_t value)");
	LINE(file, "{");
	LINE(file, "\ttrace->calls++;");
	LINE(file, "\ttrace->letters += strlen(name);");
	LINE(file, "\ttrace->last = value;");
	LINE(file, "}");
	LINE(file, "static inline uint32_t rotate(uint32_t value, int count)");
	LINE(file, "{");
	LINE(file, "\treturn value << count | value >> (32 - count);");
	LINE(file, "}");
	for (int module = 0; module < modules; module++)
		LINE(file, "uint32_t module%d(struct trace *trace, uint32_t x);", module);
}

static void print_main(FILE *file, int modules)
{
	LINE(file, "#include \"project.h\"");
	LINE(file, "int main(void)");
	LINE(file, "{");
	LINE(file, "\tstruct trace trace = { 0 };");
	LINE(file, "\tuint32_t x = 1;");
	LINE(file, "\tfor (int round = 0; round < %d; round++) {", ROUNDS);
	for (int module = 0; module < modules; module++)
		LINE(file, "\t\tx = module%d(&trace, x);", module);
	LINE(file, "\t}");
	LINE(file, "\tif (trace.calls != %d || trace.last != x) return EXIT_FAILURE;", ROUNDS * modules * FUNCTIONS);
	LINE(file, "\tprintf(\"%%08x\\n\", (unsigned)x);");
	LINE(file, "\treturn EXIT_SUCCESS;");
	LINE(file, "}");
}

static void print_makefile(FILE *file, int modules)
{
	LINE(file, "CFLAGS = -O2 -Wall -Wextra -Werror");
	fprintf(file, "objects = main.o");
	for (int module = 0; module < modules; module++)
		fprintf(file, " module%d.o", module);
	LINE(file, "%s", "");
	LINE(file, "project: $(objects)");
	LINE(file, "\t$(CC) -o $@ $(objects)");
	LINE(file, "$(objects): project.h");
}

static void print_module(FILE *file, int module, const struct function *functions)
{
	LINE(file, "#include \"project.h\"");
	for (int i = 0; i < FUNCTIONS; i++)
		print_function(file, module, i, &functions[i]);
	LINE(file, "uint32_t module%d(struct trace *trace, uint32_t x)", module);
	LINE(file, "{");
	for (int i = 0; i < FUNCTIONS; i++)
		LINE(file, "\tx = f%d(trace, x);", i);
	LINE(file, "\treturn x;");
	LINE(file, "}");
}

#define MOST_MODULES 16

long write_project(const char *directory, int modules, uint32_t *result)
{
	static struct function functions[MOST_MODULES][FUNCTIONS];
	FILE *file;

	state = 2463534242;
	lines = 0;
	for (int module = 0; module < modules && module < MOST_MODULES; module++) {
		char name[32];

		for (int i = 0; i < FUNCTIONS; i++)
			functions[module][i] = make_function();
		snprintf(name, sizeof(name), "module%d.c", module);
		file = create(directory, name);
		print_module(file, module, functions[module]);
		finish(file);
	}
	file = create(directory, "project.h");
	print_header(file, modules);
	finish(file);
	file = create(directory, "main.c");
	print_main(file, modules);
	finish(file);
	file = create(directory, "Makefile");
	print_makefile(file, modules);
	finish(file);

	*result = 1;
	for (int round = 0; round < ROUNDS; round++)
		for (int module = 0; module < modules; module++)
			for (int i = 0; i < FUNCTIONS; i++)
				*result = result_of(&functions[module][i], *result);
	return lines;
}
