/* SPDX-License-Identifier: MIT
 *
 * Sentences from results; see rep_headline.h. */
#include "rep_headline.h"

#include "rep_html.h"

#include <string.h>

typedef struct best {
	const char *who;
	rep_value value;
	size_t n_others;
} best;

/* Ours is llfree and what begins with it. */
static bool is_ours(const char *who)
{
	return strncmp(who, "llfree", 6) == 0;
}

typedef rep_value value_of(const rep_set *set, const rep_query *query);

static rep_value median_of(const rep_set *set, const rep_query *query)
{
	const rep_row *row = rep_set_find(set, query);
	return row != NULL ? row->median : (rep_value){ 0 };
}

static rep_value bulk_pair(const rep_set *set, const rep_query *query)
{
	rep_query get = *query, put = *query;
	get.metric = "get_ns";
	put.metric = "put_ns";
	return rep_value_sum(median_of(set, &get), median_of(set, &put));
}

/* The best of all others, the least or the most. */
static best best_other(const rep_set *set, rep_query query, value_of *of, bool most)
{
	best found = { 0 };
	rep_names who = rep_set_who(set, &query);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		rep_value value = of(set, &query);
		if (is_ours(query.who) || !rep_value_is(value))
			continue;
		found.n_others++;
		if (!rep_value_is(found.value) ||
		    (most ? value.number > found.value.number : value.number < found.value.number)) {
			found.who = query.who;
			found.value = value;
		}
	}
	return found;
}

static bool level(rep_value left, rep_value right)
{
	return left.number < 1.03 * right.number && right.number < 1.03 * left.number;
}

/* "2.3x less than NAME", "1.2x more than NAME" or "level with NAME". words: for ours being smaller, larger */
static void against(rep_text *html, rep_value ours, rep_value other, const char *const words[2], const char *who)
{
	bool smaller = ours.number <= other.number;
	if (level(ours, other)) {
		rep_text_add(html, "level with %s", who);
		return;
	}
	rep_html_number(html, smaller ? rep_value_ratio(other, ours) : rep_value_ratio(ours, other));
	rep_text_add(html, "&times; %s than %s", words[smaller ? 0 : 1], who);
}

static const char *const costs[2] = { "less", "more" }, *const rates[2] = { "slower", "faster" };

/* Where a thread's cache wins, the sentence says so. */
static void pattern_add(const rep_set *set, rep_query query, const char *scenario, const char *text, rep_text *html)
{
	query.scenario = scenario;
	query.metric = "pair_ns";
	query.who = NULL;
	best other = best_other(set, query, median_of, false);
	query.who = "llfree";
	rep_value ours = median_of(set, &query);
	if (!rep_value_is(ours) || !rep_value_is(other.value))
		return;
	rep_text_add(html, "; %s ", text);
	against(html, ours, other.value, costs, other.who);
}

static void allocation(const rep_set *set, rep_text *html)
{
	rep_query query = { REP_ANY, .scenario = "bulk", .who = "llfree", .metric = "get_ns" };
	query.order = 0;
	query.threads = 1;
	const rep_row *row = rep_set_find(set, &query);
	rep_value ours = bulk_pair(set, &query);
	if (row == NULL || !rep_value_is(ours))
		return;
	query.who = NULL;
	best other = best_other(set, query, bulk_pair, false);
	rep_text_add(html, "<b>Allocation:</b> llfree gets and puts a <span data-static>4&nbsp;KiB</span> frame in ");
	rep_html_quantity(html, ours, "ns");
	if (rep_value_is(other.value)) {
		rep_text_add(html, ", ");
		against(html, ours, other.value, costs, other.who);
		rep_text_add(html, ", the best of %s", other.n_others == 1 ? "one other" : "the others");
	}
	pattern_add(set, query, "repeat", "put straight back it costs", html);
	pattern_add(set, query, "rand", "at random places", html);
	rep_text_add(html, " (<span data-static>bulk, order 0, 1 thread</span>, ");
	rep_html_bytes(html, rep_file_number(row->file, "context", "memory_bytes"));
	rep_text_add(html, ").");
}

static void writing(const rep_set *set, rep_text *html)
{
	rep_query query = { REP_ANY, .scenario = "write", .who = "llfree", .metric = "gib_s" };
	query.order = 0;
	query.threads = 1;
	const rep_row *row = rep_set_find(set, &query);
	if (row == NULL)
		return;
	query.who = NULL;
	best other = best_other(set, query, median_of, true);
	rep_text_add(html, "<b>Write throughput:</b> allocating, writing and freeing fresh memory by <span "
			   "data-static>4&nbsp;KiB</span> runs at ");
	rep_html_quantity(html, row->median, "GiB/s");
	rep_text_add(html, " with llfree");
	if (rep_value_is(other.value)) {
		rep_text_add(html, ", ");
		against(html, row->median, other.value, rates, other.who);
		rep_text_add(html, " (");
		rep_html_number(html, other.value);
		rep_text_add(html, "), the fastest other");
	}
	query.who = "mmap";
	rep_value plain = median_of(set, &query);
	if (rep_value_is(plain)) {
		rep_text_add(html, "; a plain mapping with <span data-static>4&nbsp;KiB</span> pages reaches ");
		rep_html_number(html, plain);
	}
	rep_text_add(html, " (<span data-static>1 thread</span>, ");
	rep_html_bytes(html, rep_file_number(row->file, "context", "write_bytes"));
	rep_text_add(html, ", first use, page faults included).");
}

static void reclaim_conditions(const rep_row *row, rep_text *html)
{
	rep_text_add(html, " (guest of ");
	rep_html_bytes(html, rep_file_number(row->file, "parameters", "memory_bytes"));
	rep_text_add(html, " down to ");
	rep_html_bytes(html, rep_file_number(row->file, "parameters", "target_bytes"));
	rep_text_add(html, ", <span data-static>%s</span>, no device, every byte proven to be gone).",
		     row->backing != NULL ? row->backing : "backing unknown");
}

static void reclaim(const rep_set *set, rep_text *html)
{
	rep_query query = { REP_ANY, .scenario = "inflate", .who = "llfree-manual", .metric = "time",
			    .phase = "shrink-touched" };
	query.device = "none";
	const rep_row *row = rep_set_find(set, &query);
	if (row == NULL)
		return;
	query.who = NULL;
	query.backing = row->backing;
	best other = best_other(set, query, median_of, false);
	rep_text_add(html, "<b>Reclaim:</b> llfree-manual takes back <span data-static>2&nbsp;MiB</span> of used guest "
			   "memory in ");
	rep_html_quantity(html, rep_value_scaled(row->median, 1e-3), "us");
	if (rep_value_is(other.value)) {
		rep_text_add(html, ", ");
		against(html, row->median, other.value, costs, other.who);
		rep_text_add(html, ", the best other");
	}
	static const char *const peers[] = { "virtio-mem", "base-manual" };
	for (size_t at = 0; at < 2; at++) {
		query.who = peers[at];
		rep_value peer = median_of(set, &query);
		if (!rep_value_is(peer) || peer.number < row->median.number ||
		    (other.who != NULL && strcmp(other.who, peers[at]) == 0))
			continue;
		rep_text_add(html, ", ");
		against(html, row->median, peer, costs, peers[at]);
	}
	reclaim_conditions(row, html);
}

void rep_headline(const rep_set *set, unsigned idx, rep_text *html)
{
	static void (*const sentences[REP_HEADLINES])(const rep_set *, rep_text *) = { allocation, writing, reclaim };
	sentences[idx](set, html);
}

void rep_plain(rep_text *text, const char *html)
{
	static const struct {
		const char *entity, *text;
	} table[] = { { "&nbsp;", " " }, { "&times;", "x" }, { "&ndash;", "-" }, { "&amp;", "&" },
		      { "&lt;", "<" },   { "&gt;", ">" },    { "&quot;", "\"" } };
	while (*html != '\0') {
		if (*html == '<') {
			html += strcspn(html, ">");
			html += *html == '>';
			continue;
		}
		bool known = false;
		for (size_t at = 0; at < sizeof(table) / sizeof(table[0]) && !known; at++) {
			known = strncmp(html, table[at].entity, strlen(table[at].entity)) == 0;
			if (known) {
				rep_text_add(text, "%s", table[at].text);
				html += strlen(table[at].entity);
			}
		}
		if (!known)
			rep_text_append(text, html++, 1);
	}
}
