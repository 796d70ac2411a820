#include "base/printable.hpp"

#include <doctest/doctest.h>

using namespace fard;

TEST_CASE("control characters are shown, not sent; a text keeps its lines") {
    CHECK(printable_line("zed-1 \xc3\xa4") == "zed-1 \xc3\xa4");
    CHECK(printable_line("a\x1b[2J\nb\t") == "a\\x1b[2J\\nb\\x09");
    CHECK(printable_text("a\x1b[2J\nb\tc\r") == "a\\x1b[2J\nb\tc\\x0d");
    CHECK(printable_text(std::string_view("a\0b", 3)) == "a\\x00b");
    CHECK(printable_text("\xc2\x9b" "2J\x7f") == "\xef\xbf\xbd" "2J\xef\xbf\xbd");  // CSI in one character, and DEL
    CHECK(printable_text("\xc2") == "\xc2");
}

TEST_CASE("a name is told from an option, a directory and a line") {
    for (const auto* name : {"zed-1", "two stages", "z\xc3\xbcrich", "a.b"})
        CHECK(is_name(name));
    for (const auto* name : {"", ".", "..", "-x", ".hidden", " a", "a ", "a\nb", "a\x1b[2J", "a\x7f", "a\xc2\x9b"})
        CHECK_FALSE(is_name(name));
    CHECK(is_short_name("zed-1_b.c"));
    for (const auto& name : {std::string("a b"), std::string("-a"), std::string(".."), std::string(65, 'z'), std::string("a/b")})
        CHECK_FALSE(is_short_name(name));
}
