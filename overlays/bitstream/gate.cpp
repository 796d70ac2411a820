#include "overlays/bitstream/gate.hpp"

#include <algorithm>

#include "overlays/package/sha256.hpp"

namespace fard::bitstream {
namespace {

Result<> check_hash(std::string_view file, const std::string& where, const GateRules& rules) {
    if (rules.sha256.empty()) return {};
    const auto sum = sha256_hex(file);
    if (sum == rules.sha256) return {};
    return fail(Fault::corrupt, "{} has the SHA-256 {}, and its manifest lists {}: it was changed or damaged; fetch it again",
                where, sum, rules.sha256);
}

bool accepted(const Part& part, const GateRules& rules) {
    return std::ranges::any_of(rules.accepted_parts, [&](const std::string& name) {
        const auto other = parse_part(name);
        return other && same_die(*other, part) && other->package == part.package;
    });
}

// A part's name, of a header or a manifest, against the board's.
Result<> check_part(const std::string& name, const std::string& where, const Part& board, const GateRules& rules) {
    const auto part = parse_part(name);
    if (!part) return fail(Fault::invalid_input, "{} is for '{}', which is no part that fard knows", where, name);
    if (!same_die(*part, board))
        return fail(Fault::invalid_input,
                    "{} is for {} ({}), and this board has {} ({}): another die, which it can never configure; build it for {}",
                    where, name, name_of(part->family), rules.board_part, name_of(board.family), rules.board_part);
    if (part->package.empty() || board.package.empty() || part->package == board.package || accepted(*part, rules)) return {};
    return fail(Fault::invalid_input,
                "{} is for {}, and this board has {}: the same die ({}) in another package, whose pins lead elsewhere. If its "
                "design uses no pins of the fabric, or the same ones, allow it: accept_parts = [\"{}\"] in the board's "
                "configuration, or --accept-part {}",
                where, name, rules.board_part, board.die, part->name(), part->name());
}

Result<> check_idcode(const Bitstream& facts, const std::string& where, const Part& board, const GateRules& rules) {
    const auto own = idcode_of(board);
    if (facts.encrypted && facts.idcode == 0) return {};  // it may lie behind the cipher
    if (facts.idcode == 0)
        return fail(Fault::invalid_input, "{} does not say which die it is for (no IDCODE); fard does not program it", where);
    if (!own || *own == facts.idcode) return {};
    const auto others = dies_of(facts.idcode);
    return fail(Fault::invalid_input, "{} holds the IDCODE {:08x} ({}), and this board has {} ({:08x}): another die, which it can "
                "never configure; build it for {}", where, facts.idcode, others.empty() ? "a die that fard does not know" : others,
                rules.board_part, *own, rules.board_part);
}

Result<> check_kind(const Bitstream& facts, const std::string& where) {
    if (facts.partial)
        return fail(Fault::invalid_input, "{} is a partial bitstream: it configures one region of a design that would have to be "
                    "there already; fard programs whole fabrics, so build the whole design", where);
    if (facts.sync_at + 4 > driver_looks_at)
        return fail(Fault::invalid_input, "{}: its sync word is at byte {} of its configuration, and the driver looks for it in the "
                    "first {}; write it again without padding (Vivado: write_bitstream; bootgen: -process_bitstream bin)",
                    where, facts.sync_at, driver_looks_at);
    return {};
}

}  // namespace

Result<Programmable> pass_gate(std::string_view file, const std::string& where, const GateRules& rules) {
    const auto board = parse_part(rules.board_part);
    if (!board || board->family == Family::other)
        return fail(Fault::invalid_input, "the board's part '{}' is no Zynq that fard knows; say it right in the board's "
                    "configuration (part = \"xc7z020clg484-1\")", rules.board_part);
    if (auto right = check_hash(file, where, rules); !right) return fail(right.error());
    const auto facts = read_bitstream(file, where);
    if (!facts) return fail(facts.error());
    if (facts->header)
        if (auto right = check_part(facts->header->part, where, *board, rules); !right) return fail(right.error());
    if (!rules.package_part.empty())
        if (auto right = check_part(rules.package_part, "the package of " + where, *board, rules); !right)
            return fail(right.error());
    if (auto right = check_idcode(*facts, where, *board, rules); !right) return fail(right.error());
    if (auto right = check_kind(*facts, where); !right) return fail(right.error());
    return Programmable{to_bin(file, *facts), facts->encrypted ? 4u : 0u, *facts};
}

}  // namespace fard::bitstream
