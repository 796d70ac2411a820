#include "overlays/zynq/weights.hpp"

#include <charconv>

namespace fard::zynq {

Result<std::vector<std::uint32_t>> parse_weight_words(std::string_view text, const std::string& where) {
    constexpr std::string_view blanks = " \t\r\n";
    constexpr std::size_t most = std::size_t{16} << 20;
    std::vector<std::uint32_t> words;
    for (auto at = text.find_first_not_of(blanks); at != std::string_view::npos;) {
        const auto end = std::min(text.find_first_of(blanks, at), text.size());
        auto word = text.substr(at, end - at);
        if (word.starts_with("0x")) word.remove_prefix(2);
        std::uint32_t value = 0;
        const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
        if (error != std::errc{} || stop != word.data() + word.size() || words.size() == most)
            return fail(Fault::corrupt, "{}: word {} ('{}') is no weight (32 bits in hexadecimal)", where, words.size(),
                        word.substr(0, 20));
        words.push_back(value);
        at = text.find_first_not_of(blanks, end);
    }
    return words;
}

Result<> write_weight_words(Registers& registers, const std::vector<std::uint32_t>& words, const std::string& where) {
    if (words.size() * 4 > registers.bytes())
        return fail(Fault::invalid_input, "{}: {} words of weights do not fit the {} bytes of registers of its core; the package and "
                    "its hardware hand-off are of different designs", where, words.size(), registers.bytes());
    for (std::size_t i = 0; i < words.size(); ++i) registers.write(4 * i, words[i]);
    for (std::size_t i = 0; i < words.size(); ++i)
        if (const auto read = registers.read(4 * i); read != words[i])
            return fail(Fault::io, "{}: word {} of the weights reads {:08x} after {:08x} was written", where, i, read, words[i]);
    return {};
}

}  // namespace fard::zynq
