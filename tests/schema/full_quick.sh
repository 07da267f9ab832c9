#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole artifact run with tiny parameters, and that its table knows every scenario and case. The results stay in
# the folder for the schema test.
# Usage: full_quick.sh TOOLS_FULL BUILD FOLDER
full=$1 build=$2 folder=$3
rm -rf "$folder"
"$full" --quick --build "$build" --into "$folder" || exit 1
[ -f "$folder/finished" ] || { echo "the run does not call itself finished"; exit 1; }
[ -s "$folder/summary.txt" ] || { echo "no summary"; exit 1; }
"$full" --quick --build "$build" --into "$folder" --list | grep -q '^to do *0 s' || {
	echo "something is left to do"
	exit 1
}
# what has no line in the table is left out here, and seen
grep 'no line for it' "$folder/summary.txt"
exit 0
