// Small bitstreams in the exact form of the tools: container, padding, packets, and some frames.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fard::test {

struct MadeBitstream {
    std::string design = "top;UserID=0XFFFFFFFF;Version=2022.2";
    std::string part = "7z020clg484";
    std::uint32_t idcode = 0x03727093;
    std::size_t padding_words = 12;  // before the sync word
    std::size_t frame_words = 256;
    std::uint32_t fill = 0x5a5a0001;  // of the frames
    bool repeated = false;           // writes frames several times, as compressed ones do
    bool encrypted = false;
    bool ends = true;                // with DESYNC

    std::string words() const {
        std::string out;
        const auto put = [&](std::uint32_t word) {
            for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift & 0xff);
        };
        const auto write = [&](std::uint32_t target, std::uint32_t value) {
            put(0x30000001u | target << 13);
            put(value);
        };
        for (std::size_t i = 0; i < padding_words; ++i) put(0xffffffff);
        put(0xaa995566);
        put(0x20000000);
        write(4, 7);  // RCRC
        write(12, idcode);
        if (encrypted) write(5, 1u << 6);
        if (repeated) write(10, 0);
        put(0x30004000);  // FDRI, the words in a packet of type 2
        put(0x50000000u | static_cast<std::uint32_t>(frame_words));
        for (std::size_t i = 0; i < frame_words; ++i) put(fill + static_cast<std::uint32_t>(i));
        if (ends) write(4, 13);
        for (int i = 0; i < 4; ++i) put(0x20000000);
        return out;
    }

    std::string bit() const {
        const auto payload = words();
        std::string out("\x00\x09\x0f\xf0\x0f\xf0\x0f\xf0\x0f\xf0\x00\x00\x01", 13);
        const auto length = [&](std::size_t value, int bytes) {
            for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
        };
        const auto field = [&](char key, std::string text) {
            text += '\0';
            out += key;
            length(text.size(), 2);
            out += text;
        };
        field('a', design);
        field('b', part);
        field('c', "2024/03/01");
        field('d', "12:30:00");
        out += 'e';
        length(payload.size(), 4);
        return out + payload;
    }

    std::string bin() const {  // as the drivers want it
        auto out = words();
        for (std::size_t at = 0; at + 4 <= out.size(); at += 4) {
            std::swap(out[at], out[at + 3]);
            std::swap(out[at + 1], out[at + 2]);
        }
        return out;
    }
};

}  // namespace fard::test
