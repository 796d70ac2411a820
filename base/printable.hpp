// Text that others chose and people read: on a terminal, control characters are commands.
#pragma once

#include <string>
#include <string_view>

namespace fard {

bool is_printable(std::string_view text);  // without control characters

// Control characters are shown instead of sent: \x1b. What has no such form in JSON (DEL, U+0080 to U+009F) becomes U+FFFD, so
// that JSON stays JSON.
std::string printable_line(std::string_view text);  // line breaks and tabs, too
std::string printable_text(std::string_view text);  // but for line breaks and tabs

// Whether people can tell it from an option, a directory and a line of a table: printable, not empty, without '-' or '.' in
// front, no space at either end.
bool is_name(std::string_view text);

// A name that is typed often: 1 to 64 letters, digits, '.', '_' and '-', and neither '-' nor '.' in front.
bool is_short_name(std::string_view text);

}  // namespace fard
