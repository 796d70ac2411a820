#include "overlays/bitstream/bitstream.hpp"

#include <doctest/doctest.h>

#include "overlays/bitstream/gate.hpp"
#include "overlays/bitstream/part.hpp"
#include "overlays/package/sha256.hpp"
#include "tests/bitstream/made_bitstream.hpp"

using namespace fard;
using namespace fard::bitstream;
using fard::test::MadeBitstream;

namespace {

bool says(const Error& error, const std::vector<std::string>& words) {
    for (const auto& word : words)
        if (error.message.find(word) == std::string::npos) {
            MESSAGE(error.message, " lacks ", word);
            return false;
        }
    return true;
}

const GateRules zedboard{"xc7z020clg484-1", {}, "", ""};

}  // namespace

TEST_CASE("names of parts, as each tool writes them") {
    const auto zed = parse_part("xc7z020clg484-1").value();
    CHECK(zed.die == "7z020");
    CHECK(zed.package == "clg484");
    CHECK(zed.family == Family::zynq7000);
    CHECK(parse_part("7z020clg400").value().name() == "7z020clg400");
    CHECK(parse_part("XC7Z007SCLG400-1").value().die == "7z007s");
    CHECK(parse_part("xa7z020").value().package.empty());
    CHECK(parse_part("7a35tcpg236").value().die == "7a35t");
    CHECK(parse_part("7z100ffg900").value().package == "ffg900");
    const auto zcu102 = parse_part("xczu9eg-ffvb1156-2-e").value();
    CHECK(zcu102.die == "zu9eg");
    CHECK(zcu102.package == "ffvb1156");
    CHECK(zcu102.family == Family::zynqmp);
    CHECK(parse_part("xck26-sfvc784-2LV-c").value().family == Family::zynqmp);
    CHECK(parse_part("xcu280-fsvh2892-2L-e").value().family == Family::other);
    CHECK(same_die(parse_part("zu3cg-sbva484").value(), parse_part("xczu3eg-sfvc784").value()));
    CHECK_FALSE(same_die(zed, parse_part("7z010clg400").value()));
    for (const char* name : {"", "xc", "none", "zynq", "7z", "xcmany"}) {
        CAPTURE(name);
        CHECK(parse_part(name).error().fault == Fault::invalid_input);
    }
    CHECK(idcode_of(zed) == 0x03727093u);
    CHECK(dies_of(0x23727093) == "7z020");
}

TEST_CASE("a .bit says what it is, and its .bin has the sync word where the driver looks") {
    const MadeBitstream made;
    const auto file = made.bit();
    const auto bits = read_bitstream(file, "a.bit").value();
    REQUIRE(bits.header);
    CHECK(bits.header->design == made.design);
    CHECK(bits.header->part == "7z020clg484");
    CHECK(bits.header->date == "2024/03/01");
    CHECK(bits.header->time == "12:30:00");
    CHECK(bits.bytes == made.words().size());
    CHECK(bits.sync_at == 48);
    CHECK(bits.idcode == 0x03727093u);
    CHECK(bits.frame_bytes == 1024);
    CHECK_FALSE((bits.swapped || bits.compressed || bits.encrypted || bits.partial));
    CHECK(to_bin(file, bits) == made.bin());
    const auto bin = read_bitstream(made.bin(), "a.bin").value();
    CHECK(bin.swapped);
    CHECK(bin.sync_at == 48);
    CHECK(bin.idcode == bits.idcode);
    CHECK(to_bin(made.bin(), bin) == made.bin());
    const auto plain = read_bitstream(made.words(), "plain.bin").value();
    CHECK_FALSE(plain.swapped);
    CHECK(to_bin(made.words(), plain) == made.bin());
}

TEST_CASE("kinds of bitstreams") {
    MadeBitstream made;
    made.repeated = true;
    CHECK(read_bitstream(made.bit(), "a").value().compressed);
    made.repeated = false;
    made.encrypted = true;
    CHECK(read_bitstream(made.bin(), "a").value().encrypted);
    made.encrypted = false;
    made.design = "top;PARTIAL=TRUE;UserID=0XFFFFFFFF;Version=2022.2";
    CHECK(read_bitstream(made.bit(), "a").value().partial);
}

TEST_CASE("a truncated bitstream is recognised wherever it ends") {
    const MadeBitstream made;
    for (const auto& whole : {made.bit(), made.bin(), made.words()}) {
        REQUIRE(read_bitstream(whole, "whole"));
        // The last words behind DESYNC are padding: a .bin does not miss them.
        for (std::size_t length = 0; length < whole.size() - 16; ++length) {
            const auto cut = read_bitstream(std::string_view(whole).substr(0, length), "cut.bit");
            REQUIRE_FALSE(cut);
            CHECK(says(cut.error(), {"cut.bit"}));
        }
    }
    const auto bit = made.bit();
    CHECK(says(read_bitstream(bit.substr(0, bit.size() - 4), "cut.bit").error(), {"truncated", "copy it again"}));
    CHECK(says(read_bitstream(bit + "more", "long.bit").error(), {"too long"}));
    MadeBitstream endless;
    endless.ends = false;
    CHECK(says(read_bitstream(endless.bin(), "e.bin").error(), {"truncated", "DESYNC"}));
}

TEST_CASE("what is no bitstream says what it looks like") {
    const auto complaint = [](const std::string& file) { return read_bitstream(file, "f").error(); };
    CHECK(says(complaint("xclbin2" + std::string(100, 'x')), {"XRT"}));
    CHECK(says(complaint("\x7f" "ELF" + std::string(100, '\0')), {"ELF"}));
    CHECK(says(complaint("version https://git-lfs.github.com/spec/v1\n"), {"git lfs pull"}));
    CHECK(says(complaint(std::string(500, 'x')), {"no sync word"}));
    CHECK(says(complaint(""), {"empty"}));
    CHECK(says(complaint("x" + MadeBitstream{}.words()), {"bytes were lost or added"}));
}

TEST_CASE("the gate lets through what the board can take") {
    const MadeBitstream made;
    const auto ready = pass_gate(made.bit(), "a.bit", {"xc7z020clg484-1", {}, "xc7z020clg484-1", sha256_hex(made.bit())}).value();
    CHECK(ready.bin == made.bin());
    CHECK(ready.flags == 0);
    CHECK(pass_gate(made.bin(), "a.bin", zedboard));
}

TEST_CASE("the gate refuses, each with the fact and the remedy") {
    MadeBitstream made;
    const auto complaint = [&](GateRules rules = zedboard) { return pass_gate(made.bit(), "a.bit", rules).error(); };

    SUBCASE("another package of the same die, unless allowed") {
        made.part = "7z020clg400";
        CHECK(complaint().fault == Fault::invalid_input);
        CHECK(says(complaint(), {"a.bit", "7z020clg400", "xc7z020clg484-1", "same die", "accept_parts = [\"7z020clg400\"]"}));
        CHECK(pass_gate(made.bit(), "a.bit", {"xc7z020clg484-1", {"xc7z020clg400-1"}, "", ""}));
        CHECK_FALSE(pass_gate(made.bit(), "a.bit", {"xc7z020clg484-1", {"7z020clg225"}, "", ""}));
    }
    SUBCASE("another die, allowed or not") {
        made.part = "7z010clg400";
        made.idcode = 0x03722093;
        CHECK(says(complaint(), {"7z010clg400", "another die"}));
        CHECK(says(complaint({"xc7z020clg484-1", {"7z010clg400"}, "", ""}), {"another die"}));
    }
    SUBCASE("another family") {
        made.part = "xczu9eg-ffvb1156-2-e";
        CHECK(says(complaint(), {"Zynq UltraScale+", "Zynq-7000"}));
    }
    SUBCASE("a header that lies about the die") {
        made.idcode = 0x03722093;
        CHECK(says(complaint(), {"IDCODE", "7z010"}));
    }
    SUBCASE("a bare .bin of another die") {
        made.idcode = 0x04738093;
        CHECK(says(pass_gate(made.bin(), "a.bin", zedboard).error(), {"IDCODE", "zu9"}));
    }
    SUBCASE("a manifest that says another part") {
        CHECK(says(complaint({"xc7z020clg484-1", {}, "xc7z020clg400-1", ""}), {"the package of a.bit", "same die"}));
    }
    SUBCASE("a wrong hash") {
        CHECK(complaint({"xc7z020clg484-1", {}, "", std::string(64, '0')}).fault == Fault::corrupt);
        CHECK(says(complaint({"xc7z020clg484-1", {}, "", std::string(64, '0')}), {"SHA-256", "fetch it again"}));
    }
    SUBCASE("a sync word where the driver does not look") {
        made.padding_words = 32;
        CHECK(says(complaint(), {"at byte 128", "first 128"}));
        made.padding_words = 31;
        CHECK(pass_gate(made.bit(), "a.bit", zedboard));
    }
    SUBCASE("a partial one") {
        made.design = "top;PARTIAL=TRUE;Version=1";
        CHECK(says(complaint(), {"partial", "whole"}));
    }
    SUBCASE("a board whose part nobody knows") {
        CHECK(says(complaint({"none", {}, "", ""}), {"no Zynq that fard knows"}));
    }
    SUBCASE("no die at all") {
        made.idcode = 0;
        CHECK(says(complaint(), {"no IDCODE"}));
    }
}
