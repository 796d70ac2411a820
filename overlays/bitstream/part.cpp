#include "overlays/bitstream/part.hpp"

#include <algorithm>
#include <cctype>

namespace fard::bitstream {
namespace {

struct Die {
    std::string_view stem;  // the die's name without the letters of its processors (zu9 of zu9eg)
    Family family;
    std::uint32_t idcode;
};

// Configuration codes as the families' boundary-scan tables give them (UG470, UG570, UG1085).
constexpr std::uint32_t revision_mask = 0x0fffffff;
constexpr Die dies[] = {
    {"7z007s", Family::zynq7000, 0x03723093}, {"7z010", Family::zynq7000, 0x03722093},
    {"7z012s", Family::zynq7000, 0x0373c093}, {"7z014s", Family::zynq7000, 0x03728093},
    {"7z015", Family::zynq7000, 0x0373b093},  {"7z020", Family::zynq7000, 0x03727093},
    {"7z030", Family::zynq7000, 0x0372c093},  {"7z035", Family::zynq7000, 0x03732093},
    {"7z045", Family::zynq7000, 0x03731093},  {"7z100", Family::zynq7000, 0x03736093},
    {"zu2", Family::zynqmp, 0x04711093},      {"zu3", Family::zynqmp, 0x04710093},
    {"zu4", Family::zynqmp, 0x04721093},      {"zu5", Family::zynqmp, 0x04720093},
    {"zu6", Family::zynqmp, 0x04739093},      {"zu7", Family::zynqmp, 0x04730093},
    {"zu9", Family::zynqmp, 0x04738093},      {"zu11", Family::zynqmp, 0x04740093},
    {"zu15", Family::zynqmp, 0x04750093},     {"zu17", Family::zynqmp, 0x04759093},
    {"zu19", Family::zynqmp, 0x04758093},     {"k26", Family::zynqmp, 0x04724093},
};

std::string_view stem_of(std::string_view die) {
    if (die.starts_with("zu")) {
        const auto end = die.find_first_not_of("0123456789", 2);
        return die.substr(0, end);
    }
    return die;
}

const Die* find_die(std::string_view die) {
    const auto* found = std::ranges::find(dies, stem_of(die), &Die::stem);
    return found == std::end(dies) ? nullptr : found;
}

// How many characters of `text` from `at` satisfy `is`.
template <typename Is>
std::size_t run_of(std::string_view text, std::size_t at, Is is) {
    const auto rest = text.substr(std::min(at, text.size()));
    return static_cast<std::size_t>(std::ranges::find_if_not(rest, is) - rest.begin());
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// Length of the die's name at the beginning of `name`; 0 for none.
std::size_t die_length(std::string_view name) {
    for (const std::string_view letters : {"7a", "7k", "7s", "7v", "7z", "zu", "ku", "vu", "k", "u"}) {
        if (!name.starts_with(letters)) continue;
        std::size_t at = letters.size();
        const auto digits = run_of(name, at, is_digit);
        if (digits == 0) continue;
        at += digits;
        if (letters == "zu") return at + run_of(name, at, is_letter);
        // A trailing s or t belongs to the die (7z007s, 7a35t) where a package's name, three letters, follows it.
        if (const auto tail = run_of(name, at, is_letter); tail > 3 || (tail == 1 && at + 1 == name.size())) ++at;
        return at;
    }
    return 0;
}

}  // namespace

std::string_view name_of(Family family) {
    return family == Family::zynq7000 ? "Zynq-7000" : family == Family::zynqmp ? "Zynq UltraScale+" : "no Zynq";
}

Result<Part> parse_part(std::string_view text) {
    std::string name(text);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view rest = name;
    for (const std::string_view prefix : {"xc", "xa", "xq"})
        if (rest.starts_with(prefix)) {
            rest.remove_prefix(2);
            break;
        }
    const auto length = die_length(rest);
    if (length == 0)
        return fail(Fault::invalid_input, "'{}' is no name of a Xilinx part (such as xc7z020clg484-1)", text);
    Part part{std::string(rest.substr(0, length)), "", Family::other};
    rest.remove_prefix(length);
    if (rest.starts_with('-')) rest.remove_prefix(1);
    const auto letters = run_of(rest, 0, is_letter);
    const auto digits = run_of(rest, letters, is_digit);
    if (letters >= 2 && digits > 0) part.package = rest.substr(0, letters + digits);
    if (const auto* die = find_die(part.die)) part.family = die->family;
    return part;
}

std::optional<std::uint32_t> idcode_of(const Part& part) {
    const auto* die = find_die(part.die);
    return die ? std::optional(die->idcode) : std::nullopt;
}

std::string dies_of(std::uint32_t idcode) {
    std::string names;
    for (const auto& die : dies)
        if (die.idcode == (idcode & revision_mask)) names += (names.empty() ? "" : ", ") + std::string(die.stem);
    return names;
}

bool same_die(const Part& a, const Part& b) {
    return stem_of(a.die) == stem_of(b.die);
}

}  // namespace fard::bitstream
