/*
 * Without libFuzzer: give every file of the directories named to the target.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0, n;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	do {
		data = realloc(data, size + 65536);
		if (data == NULL)
			abort();
		n = fread(data + size, 1, 65536, f);
		size += n;
	} while (n > 0);
	fclose(f);
	/* An exact copy, so that a read behind the end is seen. */
	data = realloc(data, size == 0 ? 1 : size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		struct dirent **names;
		int n = scandir(argv[i], &names, NULL, alphasort);

		for (int k = 0; k < n; k++) {
			char path[4096];

			snprintf(path, sizeof(path), "%s/%s", argv[i],
			    names[k]->d_name);
			if (names[k]->d_name[0] != '.' && replay(path) == 0)
				count++;
			free(names[k]);
		}
		if (n >= 0)
			free(names);
	}
	printf("%d inputs\n", count);
	return count == 0; /* an empty corpus tests nothing */
}
