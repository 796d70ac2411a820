// Literals of Python, read as data: what FINN's generated driver says of an accelerator. Nothing is evaluated: names,
// calls, operators and comprehensions are errors; DataType['UINT8'] and DataType.UINT8 alone stand for their text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace fard::finn {

struct Literal {
    using List = std::vector<Literal>;  // lists and tuples
    using Dictionary = std::map<std::string, Literal, std::less<>>;
    std::variant<std::monostate, bool, std::int64_t, std::string, List, Dictionary> value;  // monostate: None
    int line = 0;                                                                           // where it begins

    const List* list() const { return std::get_if<List>(&value); }
    const Dictionary* dictionary() const { return std::get_if<Dictionary>(&value); }
    const std::string* text() const { return std::get_if<std::string>(&value); }
    const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value); }
};

// The literal that `source` assigns to `name` at the beginning of a line. Errors, with `where` and the line: not_found
// (no such assignment), invalid_input (two of them; something that is no literal; deeper or longer than any driver's).
Result<Literal> find_literal(std::string_view source, std::string_view name, const std::string& where);

}  // namespace fard::finn
