#include "base/printable.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

bool is_control(unsigned char c) {
    return c < 0x20 || c == 0x7f;
}

// U+0080 to U+009F, which a terminal may take for ESC and a letter, in UTF-8.
bool is_wide_control(std::string_view rest) {
    return rest.size() > 1 && rest[0] == '\xc2' && static_cast<unsigned char>(rest[1]) >= 0x80 && static_cast<unsigned char>(rest[1]) < 0xa0;
}

std::string shown(std::string_view text, std::string_view kept) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (is_wide_control(text.substr(at))) {
            out += replacement;
            ++at;
        } else if (c == '\x7f') {
            out += replacement;
        } else if (!is_control(static_cast<unsigned char>(c)) || kept.find(c) != std::string_view::npos) {
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        }
    }
    return out;
}

}  // namespace

bool is_printable(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at)
        if (is_control(static_cast<unsigned char>(text[at])) || is_wide_control(text.substr(at))) return false;
    return true;
}

std::string printable_line(std::string_view text) {
    return shown(text, "");
}

std::string printable_text(std::string_view text) {
    return shown(text, "\n\t");
}

bool is_name(std::string_view text) {
    return !text.empty() && is_printable(text) && text.front() != '-' && text.front() != '.' && text.front() != ' ' &&
           text.back() != ' ';
}

bool is_short_name(std::string_view text) {
    return is_name(text) && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
           });
}

}  // namespace fard
