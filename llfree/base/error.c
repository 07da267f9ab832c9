/* SPDX-License-Identifier: MIT
 *
 * Error texts and version: the tables behind the public names. */
#include <llfree/llfree.h>

#ifndef LLFREE_VERSION_TEXT
#define LLFREE_VERSION_TEXT "0.1.0"
#endif

const char *llfree_err_text(llfree_err err)
{
	static const char *const text[LLFREE_ERR_COUNT] = {
#define LLF_ERR_TEXT(name, words) words,
		LLFREE_ERRORS(LLF_ERR_TEXT)
#undef LLF_ERR_TEXT
	};
	return (unsigned)err < LLFREE_ERR_COUNT ? text[err] : "unknown error";
}

const char *llfree_version(void)
{
	return LLFREE_VERSION_TEXT;
}

uint32_t llfree_tree_huge(void)
{
	return LLFREE_TREE_HUGE;
}
