# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# keepnat for bash-completion: the program itself says what may come next; where it knows nothing, files do.
_keepnat() {
	local IFS=$'\n'
	# shellcheck disable=SC2207	# a word a line
	COMPREPLY=($("${COMP_WORDS[0]}" --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _keepnat keepnat
