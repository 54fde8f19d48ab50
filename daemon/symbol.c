// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/symbol.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <unistd.h>

static bool section_search(Elf *elf, Elf_Scn *section, u64 at, char *name, size_t size, u64 *offset)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Shdr header;
	GElf_Sym symbol;
	bool found = false;

	if (!data || !gelf_getshdr(section, &header))
		return false;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *text = elf_strptr(elf, header.sh_link, symbol.st_name);

		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || !text || at < symbol.st_value ||
		    at >= symbol.st_value + symbol.st_size)
			continue;
		snprintf(name, size, "%s", text);
		*offset = at - symbol.st_value;
		found = true;
	}
	return found;
}

bool symbol_find(const char *path, u64 at, char *name, size_t size, u64 *offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;
	Elf *elf;

	if (fd < 0)
		return false;
	(void)elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	while (elf && !found && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			found = section_search(elf, section, at, name, size, offset);
	(void)elf_end(elf);
	close(fd);
	return found;
}
