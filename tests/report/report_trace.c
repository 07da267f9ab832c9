/* SPDX-License-Identifier: MIT
 *
 * Is every number of a page where the page says it is? Reads page, the list of its sources and the data of its plots,
 * evaluates each data-source over the JSON files by itself, and compares. A number without a source is an error, but in
 * names: heads, row names, code, links, and what is marked data-static.
 * Usage: report_trace PAGE SOURCES.TSV [PLOT.dat...]   exit 0: all traced, 1: not */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 128, STACK_MAX = 4096, DEPTH_MAX = 64 };

static struct source {
	char *label;
	cJSON *root;
} sources[FILES_MAX];
static size_t n_sources, n_traced, n_texts, n_wrong;

static void wrong(const char *what, const char *detail, const char *source)
{
	if (n_wrong++ < 20)
		fprintf(stderr, "report_trace: %s: %.80s  [%.200s]\n", what, detail, source);
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	char *bytes = NULL;
	size_t capacity = 0;
	ssize_t n_bytes = getdelim(&bytes, &capacity, '\0', file);
	fclose(file);
	if (n_bytes < 0) {
		free(bytes);
		return strdup("");
	}
	return bytes;
}

static void sources_read(const char *list_path)
{
	char *list = file_read(list_path), *rest = list, *line;
	while ((line = strsep(&rest, "\n")) != NULL && n_sources < FILES_MAX) {
		char *tab = strchr(line, '\t');
		if (tab == NULL)
			continue;
		*tab = '\0';
		/* a relative path lies beside the list */
		char *path = NULL;
		const char *slash = strrchr(list_path, '/');
		if (asprintf(&path, "%.*s%s", tab[1] == '/' || slash == NULL ? 0 : (int)(slash + 1 - list_path),
			     list_path, tab + 1) < 0)
			exit(1);
		char *text = file_read(path);
		sources[n_sources++] = (struct source){ strdup(line), cJSON_Parse(text) };
		free(text);
		free(path);
	}
	free(list);
}

/* A JSON pointer (RFC 6901); no key of a result holds a slash. */
static const cJSON *item_at(const char *label, size_t label_bytes, const char *pointer, size_t pointer_bytes)
{
	const cJSON *item = NULL;
	for (size_t at = 0; at < n_sources; at++)
		if (strlen(sources[at].label) == label_bytes && strncmp(sources[at].label, label, label_bytes) == 0)
			item = sources[at].root;
	char *copy = strndup(pointer, pointer_bytes), *rest = copy, *part = strsep(&rest, "/");
	while (item != NULL && (part = strsep(&rest, "/")) != NULL)
		item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, atoi(part))
					   : cJSON_GetObjectItemCaseSensitive(item, part);
	free(copy);
	return item;
}

/* FILE#POINTER, with |size or |failed a count over the list there. */
static double look_up(const char *token, bool *ok)
{
	const char *hash = strchr(token, '#'), *bar = strchr(token, '|');
	size_t n_bytes = bar != NULL ? (size_t)(bar - hash - 1) : strlen(hash + 1);
	const cJSON *item = item_at(token, (size_t)(hash - token), hash + 1, n_bytes), *each;
	double n_failed = 0;
	if (item != NULL && bar != NULL && strcmp(bar, "|size") == 0)
		return cJSON_GetArraySize(item);
	if (item != NULL && bar != NULL && strcmp(bar, "|failed") == 0) {
		cJSON_ArrayForEach(each, item) n_failed += !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(each, "ok"));
		return n_failed;
	}
	char *end = NULL;
	double number = cJSON_IsString(item) ? strtod(item->valuestring, &end) : item != NULL ? item->valuedouble : 0;
	*ok = *ok && (cJSON_IsNumber(item) || (end != NULL && end != item->valuestring));
	return number;
}

static int by_value(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* P(B(n, 1/2) <= k), each term from the one before. */
static double coin_tail(size_t n, size_t k)
{
	double term = pow(0.5, (double)n), sum = term;
	for (size_t at = 1; at <= k; at++)
		sum += term *= (double)(n - at + 1) / (double)at;
	return sum;
}

static double over_list(const char *how, double *values, size_t n_values)
{
	double sum = 0;
	size_t rank = 0;
	qsort(values, n_values, sizeof(*values), by_value);
	for (size_t at = 0; at < n_values; at++)
		sum += values[at];
	if (strcmp(how, "mean") == 0)
		return sum / (double)n_values;
	if (strcmp(how, "median") == 0)
		return (values[(n_values - 1) / 2] + values[n_values / 2]) / 2;
	while (rank + 1 < (n_values + 1) / 2 && 2 * coin_tail(n_values, rank + 1) <= 0.05)
		rank++;
	return strcmp(how, "low") == 0 ? values[rank] : values[n_values - 1 - rank];
}

static bool operate(double *stack, size_t *depth, const char *token)
{
	char how[16];
	size_t n_values;
	if (strlen(token) == 1 && strchr("+-*/", token[0]) != NULL && *depth >= 2) {
		double right = stack[--*depth], *left = &stack[*depth - 1];
		*left = token[0] == '+'   ? *left + right
			: token[0] == '-' ? *left - right
			: token[0] == '*' ? *left * right
					  : *left / right;
		return true;
	}
	if (sscanf(token, "%15[a-z]:%zu", how, &n_values) == 2 && n_values > 0 && n_values <= *depth) {
		*depth -= n_values;
		stack[*depth] = over_list(how, &stack[*depth], n_values);
		++*depth;
		return true;
	}
	return false;
}

static double evaluate(const char *source, bool *ok)
{
	static double stack[STACK_MAX];
	size_t depth = 0;
	char *copy = strdup(source), *rest = copy, *token, *end;
	*ok = true;
	while ((token = strsep(&rest, " ")) != NULL) {
		if (*token == '\0' || operate(stack, &depth, token))
			continue;
		double number = strchr(token, '#') != NULL ? look_up(token, ok) : strtod(token, &end);
		*ok = *ok && depth < STACK_MAX && (strchr(token, '#') != NULL || (end != token && *end == '\0'));
		if (depth < STACK_MAX)
			stack[depth++] = number;
	}
	free(copy);
	*ok = *ok && depth == 1;
	return stack[0];
}

/* Within half a unit of the last digit shown. */
static void number_check(const char *shown, const char *source)
{
	bool ok;
	char *end;
	double number = strtod(shown, &end), truth = evaluate(source, &ok);
	const char *dot = strchr(shown, '.');
	double unit =
		strchr(shown, 'e') != NULL ? fabs(truth) / 100 : pow(10, dot != NULL ? -(double)(strlen(dot) - 1) : 0);
	n_traced++;
	if (!ok)
		wrong("no such source", shown, source);
	else if (end == shown || *end != '\0' || fabs(number - truth) > unit * 0.5001)
		wrong("differs from its source", shown, source);
}

static void text_check(const char *shown, const char *source)
{
	const char *hash = strchr(source, '#');
	const cJSON *item = hash != NULL ? item_at(source, (size_t)(hash - source), hash + 1, strlen(hash + 1)) : NULL;
	n_texts++;
	if (!cJSON_IsString(item) || strcmp(item->valuestring, shown) != 0)
		wrong("text differs from its source", shown, source);
}

static void unescape(char *text)
{
	static const struct {
		const char *entity;
		char character;
	} table[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' } };
	char *to = text;
	while (*text != '\0') {
		bool known = false;
		for (size_t at = 0; at < 4 && !known; at++)
			if (strncmp(text, table[at].entity, strlen(table[at].entity)) == 0) {
				*to++ = table[at].character;
				text += strlen(table[at].entity);
				known = true;
			}
		if (!known)
			*to++ = *text++;
	}
	*to = '\0';
}

static char *attribute(const char *tag, const char *name)
{
	char *wanted = NULL, *value = NULL;
	if (asprintf(&wanted, " %s=\"", name) < 0)
		exit(1);
	const char *found = strstr(tag, wanted);
	if (found != NULL)
		value = strndup(found + strlen(wanted), strcspn(found + strlen(wanted), "\""));
	free(wanted);
	if (value != NULL)
		unescape(value);
	return value;
}

static bool name_is(const char *tag, const char *name)
{
	size_t n_bytes = strlen(name);
	return strncmp(tag, name, n_bytes) == 0 && (tag[n_bytes] == '\0' || tag[n_bytes] == ' ');
}

/* Names, not figures. Axes of a plot are gnuplot's; its data are checked by their own files. */
static bool may_hold_digits(const char *tag)
{
	static const char *const names[] = { "h1",   "h2", "h3",   "th",    "dt",    "summary",
					     "code", "a",  "time", "title", "style", "svg" };
	for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++)
		if (name_is(tag, names[at]))
			return true;
	return strstr(tag, " data-static") != NULL || strcmp(tag, "td class=\"text\"") == 0 ||
	       strstr(tag, "class=\"question\"") != NULL || strstr(tag, "class=\"when\"") != NULL;
}

static bool is_void(const char *tag)
{
	size_t n_bytes = strlen(tag);
	return name_is(tag, "meta") || tag[0] == '!' || (n_bytes > 0 && tag[n_bytes - 1] == '/');
}

typedef struct element {
	char *source, *text;
	bool digits;
} element;

static void node_check(char *text, const element *inside)
{
	unescape(text);
	if (inside->source != NULL)
		number_check(text, inside->source);
	else if (inside->text != NULL)
		text_check(text, inside->text);
	else if (!inside->digits && strpbrk(text, "0123456789") != NULL)
		wrong("a number without a source", strpbrk(text, "0123456789"), text);
}

static void page_check(const char *path)
{
	static element stack[DEPTH_MAX];
	size_t depth = 0;
	char *page = file_read(path);
	for (char *at = page; *at != '\0';) {
		size_t n_bytes = strcspn(at, "<");
		char *text = strndup(at, n_bytes);
		if (n_bytes > 0)
			node_check(text, &stack[depth]);
		free(text);
		at += n_bytes;
		if (*at == '\0')
			break;
		char *tag = strndup(at + 1, strcspn(at + 1, ">"));
		at += strcspn(at, ">") + 1;
		if (tag[0] == '/' && depth > 0) {
			free(stack[depth].source);
			free(stack[depth].text);
			stack[depth--] = (element){ 0 };
		} else if (tag[0] != '/' && !is_void(tag) && depth + 1 < DEPTH_MAX) {
			bool digits = stack[depth].digits || may_hold_digits(tag);
			stack[++depth] =
				(element){ attribute(tag, "data-source"), attribute(tag, "data-text"), digits };
		}
		free(tag);
	}
	if (depth != 0)
		wrong("elements are not closed", path, "");
	free(page);
}

/* VALUE... # SOURCE; SOURCE; ...  The last values of a line are those that have sources. */
static void data_line_check(char *line)
{
	char *comment = strchr(line, '#'), *rest, *source;
	double values[STACK_MAX / 64];
	size_t n_values = 0, n_line_sources = 0;
	if (comment == NULL || comment == line)
		return;
	*comment = '\0';
	for (const char *at = comment + 1; *at != '\0'; at++)
		n_line_sources += *at == ';';
	for (char *at = line, *end; n_values < sizeof(values) / sizeof(values[0]); at = end) {
		values[n_values] = strtod(at, &end);
		if (end == at)
			break;
		n_values++;
	}
	if (n_line_sources == 0 || n_values < n_line_sources) {
		wrong("a line of data without sources", line, "");
		return;
	}
	size_t idx = n_values - n_line_sources;
	for (rest = comment + 1; (source = strsep(&rest, ";")) != NULL && idx < n_values; idx++) {
		bool ok = true, is_absent = strspn(source, " ") == strlen(source);
		double truth = is_absent ? NAN : evaluate(source, &ok);
		n_traced++;
		if (!ok || isnan(values[idx]) != is_absent ||
		    (!is_absent && fabs(values[idx] - truth) > 1e-5 * fabs(truth) + 1e-12))
			wrong("data differ from their source", line, source);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: report_trace PAGE SOURCES.TSV [PLOT.dat...]\n");
		return 2;
	}
	sources_read(argv[2]);
	page_check(argv[1]);
	size_t n_page = n_traced;
	for (int at = 3; at < argc; at++) {
		char *data = file_read(argv[at]), *rest = data, *line;
		while ((line = strsep(&rest, "\n")) != NULL)
			data_line_check(line);
		free(data);
	}
	printf("%zu numbers and %zu texts of the page, %zu of the plots; %zu wrong\n", n_page, n_texts,
	       n_traced - n_page, n_wrong);
	for (size_t at = 0; at < n_sources; at++) {
		free(sources[at].label);
		cJSON_Delete(sources[at].root);
	}
	return n_wrong == 0 && n_page > 0 ? 0 : 1;
}
