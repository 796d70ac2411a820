#include "overlays/finn/python_literal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace fard::finn {
namespace {

constexpr int max_depth = 8;
constexpr std::size_t max_items = 10'000;
constexpr std::size_t max_source_bytes = std::size_t{1} << 20;

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Parser {
  public:
    Parser(std::string_view source, std::size_t at, const std::string& where)
        : source_(source), at_(at), where_(where) {}

    Result<Literal> value(int depth) {
        skip_blanks();
        if (++items_ > max_items || depth > max_depth) return wrong("it is larger than any driver's");
        const int line = line_number();
        auto parsed = unplaced(depth);
        if (parsed) parsed->line = line;
        return parsed;
    }

  private:
    Result<Literal> unplaced(int depth) {
        if (at_ == source_.size()) return wrong("the file ends inside of it");
        const char c = source_[at_];
        if (c == '{') return dictionary(depth);
        if (c == '[') return list(']', depth);
        if (c == '(') return list(')', depth);
        if (c == '"' || c == '\'') return as_literal(text());
        if (c == '-' || (c >= '0' && c <= '9')) return integer();
        return word();
    }

    template <typename Value>
    static Literal of(Value value) {
        Literal literal;
        literal.value = std::move(value);
        return literal;
    }

    Result<Literal> dictionary(int depth) {
        ++at_;
        Literal::Dictionary entries;
        for (;;) {
            skip_blanks();
            if (take('}')) return of(std::move(entries));
            const auto key = text();
            if (!key) return fail(key.error());
            skip_blanks();
            if (!take(':')) return wrong("a ':' is missing behind '" + *key + "'");
            auto item = value(depth + 1);
            if (!item) return item;
            if (!entries.emplace(*key, std::move(*item)).second) return wrong("'" + *key + "' stands in it twice");
            skip_blanks();
            if (!take(',') && peek() != '}') return wrong("a ',' or '}' is missing");
        }
    }

    // Of a tuple of one, (5), which Python takes for a number, fard makes a list as well: no driver has one in brackets.
    Result<Literal> list(char end, int depth) {
        ++at_;
        Literal::List items;
        for (;;) {
            skip_blanks();
            if (take(end)) return of(std::move(items));
            auto item = value(depth + 1);
            if (!item) return item;
            items.push_back(std::move(*item));
            skip_blanks();
            if (!take(',') && peek() != end) return wrong(fmt::format("a ',' or '{}' is missing", end));
        }
    }

    Result<std::string> text() {
        skip_blanks();
        const char quote = peek();
        if (quote != '"' && quote != '\'') return wrong_text("a text in quotes was expected");
        const auto end = source_.find_first_of(std::string{quote, '\n', '\\'}, at_ + 1);
        if (end == std::string_view::npos || source_[end] != quote) return wrong_text("a text does not end on its line");
        std::string content(source_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return content;
    }

    Result<Literal> integer() {
        std::int64_t number = 0;
        const char* end = source_.data() + source_.size();
        const auto [stop, error] = std::from_chars(source_.data() + at_, end, number);
        const bool ends = stop == end || !(is_word(*stop) || *stop == '.');
        if (error != std::errc{} || !ends) return wrong("a whole number was expected");
        at_ = static_cast<std::size_t>(stop - source_.data());
        return Literal{number};
    }

    Result<Literal> word() {
        const auto begin = at_;
        while (at_ < source_.size() && is_word(source_[at_])) ++at_;
        const auto name = source_.substr(begin, at_ - begin);
        if (name == "None") return Literal{};
        if (name == "True") return Literal{true};
        if (name == "False") return Literal{false};
        if (name == "DataType") return data_type();
        return wrong(name.empty() ? "something that is no literal" : "'" + std::string(name) + "' is no literal");
    }

    Result<Literal> data_type() {
        if (take('.')) {
            const auto begin = at_;
            while (at_ < source_.size() && is_word(source_[at_])) ++at_;
            return Literal{std::string(source_.substr(begin, at_ - begin))};
        }
        if (!take('[')) return wrong("DataType is not followed by a name");
        auto name = text();
        skip_blanks();
        if (name && !take(']')) return wrong("a ']' is missing behind DataType's name");
        return as_literal(std::move(name));
    }

    static Result<Literal> as_literal(Result<std::string> text) {
        if (!text) return fail(text.error());
        return Literal{std::move(*text)};
    }

    char peek() const { return at_ < source_.size() ? source_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c || at_ == source_.size()) return false;
        ++at_;
        return true;
    }
    void skip_blanks() {  // and comments
        for (; at_ < source_.size(); ++at_) {
            if (source_[at_] == '#') at_ = std::min(source_.find('\n', at_), source_.size() - 1);
            if (std::string_view(" \t\r\n").find(source_[at_]) == std::string_view::npos) return;
        }
    }
    int line_number() const {
        return 1 + static_cast<int>(std::count(source_.begin(), source_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
    }
    tl::unexpected<Error> wrong(const std::string& what) const {
        return fail(Fault::invalid_input, "{}:{}: {}; fard reads what FINN generates as data, and runs nothing", where_,
                    line_number(), what);
    }
    Result<std::string> wrong_text(const std::string& what) const { return wrong(what); }

    std::string_view source_;
    std::size_t at_;
    const std::string& where_;
    std::size_t items_ = 0;
};

// Where the value of an assignment to `name` at a line's beginning starts, from `from` on.
std::optional<std::size_t> find_assignment(std::string_view source, std::string_view name, std::size_t from) {
    for (auto at = source.find(name, from); at != std::string_view::npos; at = source.find(name, at + 1)) {
        if (at != 0 && source[at - 1] != '\n') continue;
        const auto sign = source.find_first_not_of(" \t", at + name.size());
        if (sign == std::string_view::npos || source[sign] != '=' || source.substr(sign, 2) == "==") continue;
        return sign + 1;
    }
    return std::nullopt;
}

}  // namespace

Result<Literal> find_literal(std::string_view source, std::string_view name, const std::string& where) {
    if (source.size() > max_source_bytes)
        return fail(Fault::invalid_input, "{} is larger ({} bytes) than any driver that FINN generates", where, source.size());
    const auto at = find_assignment(source, name, 0);
    if (!at)
        return fail(Fault::not_found, "{} assigns nothing to {} at the beginning of a line: it is no driver that FINN generates",
                    where, name);
    if (find_assignment(source, name, *at))
        return fail(Fault::invalid_input, "{} assigns {} twice: it is no driver as FINN generates it", where, name);
    return Parser(source, *at, where).value(0);
}

}  // namespace fard::finn
