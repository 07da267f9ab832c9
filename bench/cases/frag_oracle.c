/* SPDX-License-Identifier: MIT
 *
 * Trees hang in lists by their number of free frames; a bitmap says which lists are not empty, so that the fullest
 * tree with a free frame is found at once. */
#include "frag_oracle.h"

#include <stdlib.h>

enum { TREE_FRAMES = 8 * 512, TREE_WORDS = TREE_FRAMES / 64, NONE = -1 };

typedef struct oracle_tree {
	uint64_t free_bits[TREE_WORDS];
	uint32_t free_frames;
	int32_t next, prev;
} oracle_tree;

struct frag_oracle {
	oracle_tree *trees;
	uint64_t n_trees;
	int32_t heads[TREE_FRAMES + 1];
	uint64_t not_empty[TREE_FRAMES / 64 + 1];
};

static void link_tree(frag_oracle *self, int32_t idx)
{
	oracle_tree *tree = &self->trees[idx];
	uint32_t list = tree->free_frames;

	tree->prev = NONE;
	tree->next = self->heads[list];
	if (tree->next != NONE)
		self->trees[tree->next].prev = idx;
	self->heads[list] = idx;
	self->not_empty[list / 64] |= UINT64_C(1) << (list % 64);
}

static void unlink_tree(frag_oracle *self, int32_t idx)
{
	oracle_tree *tree = &self->trees[idx];
	uint32_t list = tree->free_frames;

	if (tree->next != NONE)
		self->trees[tree->next].prev = tree->prev;
	if (tree->prev != NONE)
		self->trees[tree->prev].next = tree->next;
	else
		self->heads[list] = tree->next;
	if (self->heads[list] == NONE)
		self->not_empty[list / 64] &= ~(UINT64_C(1) << (list % 64));
}

frag_oracle *frag_oracle_new(uint64_t frames)
{
	frag_oracle *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->n_trees = frames / TREE_FRAMES;
	self->trees = calloc(self->n_trees, sizeof(*self->trees));
	if (!self->trees) {
		free(self);
		return NULL;
	}
	for (uint32_t list = 0; list <= TREE_FRAMES; list++)
		self->heads[list] = NONE;
	for (uint64_t i = self->n_trees; i-- > 0;) {
		for (uint32_t word = 0; word < TREE_WORDS; word++)
			self->trees[i].free_bits[word] = UINT64_MAX;
		self->trees[i].free_frames = TREE_FRAMES;
		link_tree(self, (int32_t)i);
	}
	return self;
}

void frag_oracle_free(frag_oracle *self)
{
	if (self)
		free(self->trees);
	free(self);
}

/* The shortest non-empty list above 0, or TREE_FRAMES + 1. */
static uint32_t fullest_list(const frag_oracle *self)
{
	for (uint32_t word = 0; word <= TREE_FRAMES / 64; word++) {
		uint64_t bits = self->not_empty[word] & (word == 0 ? ~UINT64_C(1) : UINT64_MAX);

		if (bits)
			return word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return TREE_FRAMES + 1;
}

bool frag_oracle_get(frag_oracle *self, uint64_t *frame)
{
	uint32_t list = fullest_list(self);
	oracle_tree *tree;
	uint32_t word = 0, bit;
	int32_t idx;

	if (list > TREE_FRAMES)
		return false;
	idx = self->heads[list];
	tree = &self->trees[idx];
	while (!tree->free_bits[word])
		word++;
	bit = (uint32_t)__builtin_ctzll(tree->free_bits[word]);
	unlink_tree(self, idx);
	tree->free_bits[word] &= ~(UINT64_C(1) << bit);
	tree->free_frames--;
	link_tree(self, idx);
	*frame = (uint64_t)idx * TREE_FRAMES + word * 64 + bit;
	return true;
}

void frag_oracle_put(frag_oracle *self, uint64_t frame)
{
	int32_t idx = (int32_t)(frame / TREE_FRAMES);
	oracle_tree *tree = &self->trees[idx];

	unlink_tree(self, idx);
	tree->free_bits[frame % TREE_FRAMES / 64] |= UINT64_C(1) << (frame % 64);
	tree->free_frames++;
	link_tree(self, idx);
}
