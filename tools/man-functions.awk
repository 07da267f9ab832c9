# SPDX-License-Identifier: MIT
# Part of tools/man-functions: reads headers, writes pages. POSIX awk. A header is cut into comments, function
# prototypes and other declarations; what belongs together is kept in a group: its docstring and its functions.

function fail(text)
{
	printf "man-functions: %s:%d: %s\n", FILENAME, FNR, text > "/dev/stderr"
	failed = 1
	exit 1
}

function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }

# A line of running text, a line for each sentence in it: nothing in it may look like a request.
function plain(s)
{
	gsub(/\. +/, ".\n", s)
	return literal(s)
}

function literal(s)
{
	gsub(/\\/, "\\e", s)
	gsub(/\n[.']/, "\n\\\\\\&", s)
	if (s ~ /^[.']/)
		s = "\\&" s
	return s
}

# Text of a comment without its stars.
function comment_text(s)
{
	sub(/^[ \t]*\/\*\*?<?[ \t]?/, "", s)
	sub(/[ \t]*\*\/.*$/, "", s)
	sub(/^[ \t]*\*[ \t]?/, "", s)
	return trim(s)
}

function begin_header()
{
	header = FILENAME
	sub(/^.*include\//, "", header)
	module = header ~ /zones/ ? "llfree-zones" : "llfree"
	part = ""; intro = ""; seen_first_comment = 0
	new_page()
}

function new_page()
{
	end_page()
	n_groups = 0; n_names = 0; declarations = ""; n_synopsis = 0
	doc = ""; page_part = part; page_intro = intro
}

# --- reading ---

FNR == 1 { begin_header() }

in_comment || /^[ \t]*\/\*/ {
	if (!in_comment) {
		comment = ""; is_doc = ($0 ~ /^[ \t]*\/\*\*[^<]/); in_comment = 1
	}
	if (!is_doc && $0 ~ /--- .* ---/) {
		name = $0
		sub(/^.*\/\* --- /, "", name); sub(/ -+ \*\/.*$/, "", name)
		part = name
		new_page()
	}
	if ($0 !~ /SPDX/)
		comment = comment (comment == "" ? "" : "\n") comment_text($0)
	if ($0 ~ /\*\//) {
		in_comment = 0
		if (is_doc) {
			doc = comment
			last_was_function = 0
		} else if (!seen_first_comment) {
			seen_first_comment = 1
			sub(/^\n+/, "", comment)
			intro = comment; page_intro = intro
		}
	}
	next
}

/^[ \t]*#/ || /^LLFREE_(BEGIN|END)_DECLS/ { doc = ""; while ($0 ~ /\\$/) getline; next }

# Functions: up to ; or, inline, the brace.
/^LLFREE_API / || /^static inline / {
	prototype = $0
	while (prototype !~ /[;{]/ && prototype !~ /\)$/)
		if ((getline more) > 0)
			prototype = prototype " " trim(more)
		else
			fail("a prototype without an end")
	tail_doc = prototype
	if (tail_doc ~ /\/\*\*</)
		sub(/^.*\/\*\*<[ \t]*/, "", tail_doc)
	else
		tail_doc = ""
	sub(/[ \t]*\*\/.*$/, "", tail_doc)
	sub(/[;{].*$/, "", prototype)
	is_inline = (prototype ~ /^static inline/)
	add_function(trim(prototype), tail_doc)
	if (is_inline)
		while ($0 !~ /^}/)
			getline
	last_was_function = 1
	doc = ""
	next
}

/^[ \t]*$/ { last_was_function = 0; if (doc != "" && !in_declaration) doc = ""; next }

# Types and constants: kept as they are, with their docstring.
/^(typedef|enum|struct)/ {
	text = doc == "" ? "" : comment_block(doc)
	depth = 0
	for (;;) {
		line = $0
		text = text line "\n"
		opened = gsub(/{/, "{", line); closed = gsub(/}/, "}", line)
		depth += opened - closed
		if (depth == 0 && line ~ /;/ && !(line ~ /\/\*/ && line !~ /\*\//))
			break
		if ((getline) <= 0)
			fail("a declaration without an end")
	}
	declarations = declarations (declarations == "" ? "" : "\n") text
	doc = ""
	next
}

function comment_block(text)
{
	gsub(/\n/, "\n * ", text)
	return "/* " text " */\n"
}

function add_function(prototype, tail_doc,    name, group_doc)
{
	gsub(/LLFREE_API |LLFREE_MUST_CHECK |static inline /, "", prototype)
	gsub(/[ \t]+/, " ", prototype)
	name = prototype
	sub(/\(.*$/, "", name)
	sub(/^.*[ *]/, "", name)
	synopsis[++n_synopsis] = prototype
	names[++n_names] = name
	group_doc = doc
	if (tail_doc != "")
		group_doc = group_doc (group_doc == "" ? "" : "\n") tail_doc
	if (group_doc == "" && !(last_was_function && n_groups))
		fail(name " has no docstring")
	if (group_doc != "") {
		group_names[++n_groups] = name
		group_docs[n_groups] = group_doc
	} else {
		group_names[n_groups] = group_names[n_groups] " " name
	}
}

# --- writing ---

function out(s) { printf "%s\n", s > file }

function end_page(    i)
{
	if (n_names == 0)
		return
	if (what == "names") {
		print names[1]
		return
	}
	file = folder "/" names[1] ".3"
	write_head()
	write_description()
	write_see_also()
	close(file)
	print names[1] ".3"
	for (i = 2; i <= n_names; i++) {
		file = folder "/" names[i] ".3"
		out(".so man3/" names[1] ".3")
		close(file)
		print names[i] ".3"
	}
}

function first_clause(s)
{
	gsub(/\n/, " ", s)
	sub(/[.:] .*$/, "", s)
	sub(/\.$/, "", s)
	return tolower(substr(s, 1, 1)) substr(s, 2)
}

function write_head(    i, upper)
{
	upper = toupper(names[1])
	out(".\\\" Made from <" header ">: change it there.")
	out(".Dd " date)
	out(".Dt " upper " 3")
	out(".Os llfree " version)
	out(".Sh NAME")
	for (i = 1; i <= n_names; i++)
		out(".Nm " names[i] (i < n_names ? " ," : ""))
	out(".Nd " first_clause(page_intro) (page_part == "" ? "" : ": " page_part))
	out(".Sh LIBRARY")
	out("lib" module ", \\-l" module "; pkg-config module " module ".")
	out(".Sh SYNOPSIS")
	out(".In " header)
	for (i = 1; i <= n_synopsis; i++)
		write_prototype(synopsis[i])
}

function write_prototype(s,    name, type, arguments, n, list, i)
{
	arguments = s
	sub(/^[^(]*\(/, "", arguments); sub(/\)[^)]*$/, "", arguments)
	name = s
	sub(/\(.*$/, "", name)
	type = name
	sub(/^.*[ *]/, "", name)
	type = trim(substr(type, 1, length(type) - length(name)))
	out(".Ft " type)
	out(".Fo " name)
	n = split(arguments, list, ",")
	for (i = 1; i <= n; i++)
		out(".Fa \"" trim(list[i]) "\"")
	out(".Fc")
}

function write_text(s,    n, lines, i, line, in_list, word)
{
	n = split(s, lines, "\n")
	in_list = 0
	for (i = 1; i <= n; i++) {
		line = lines[i]
		if (line == "") {
			if (!in_list && i > 1 && i < n)
				out(".Pp")
		} else if (line ~ /^@param /) {
			if (!in_list)
				out(".Bl -tag -width Ds")
			in_list = 1
			sub(/^@param[ \t]+/, "", line)
			word = line
			sub(/[ \t].*$/, "", word); sub(/^[^ \t]*[ \t]*/, "", line)
			out(".It Fa " word)
			out(plain(line))
		} else if (line ~ /^@return/) {
			if (in_list)
				out(".El")
			else if (i > 1)
				out(".Pp")
			in_list = 0
			sub(/^@return[ \t]*/, "", line)
			out("Returns " plain(line))
		} else {
			if (line ~ /@return/)
				sub(/@return/, "Returns", line)
			out(plain(line))
		}
	}
	if (in_list)
		out(".El")
}

function write_description(    i, j, n, list, lines)
{
	out(".Sh DESCRIPTION")
	write_text(page_intro)
	out(".Bl -tag -width Ds")
	for (i = 1; i <= n_groups; i++) {
		n = split(group_names[i], list, " ")
		for (j = 1; j <= n; j++)
			out((j == 1 ? ".It Fn " : ".It Fn ") list[j])
		write_text(group_docs[i])
	}
	out(".El")
	if (declarations == "")
		return
	out(".Ss Types and constants")
	out(".Bd -literal")
	gsub(/\/\*\*</, "/*", declarations)
	gsub(/\/\*\*/, "/*", declarations)
	gsub(/\t/, "    ", declarations)
	n = split(declarations, lines, "\n")
	for (i = 1; i < n; i++)
		out(literal(lines[i]))
	out(".Ed")
}

function write_see_also(    n, list, i, last)
{
	out(".Sh SEE ALSO")
	n = split(pages, list, " ")
	for (i = 1; i <= n; i++)
		if (list[i] != names[1])
			out(".Xr " list[i] " 3 ,")
	out(".Xr llfree 7")
}

END {
	if (!failed)
		end_page()
}
