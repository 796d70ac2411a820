// Fills any message of the table with values of which no two neighbours are alike, from a seed.
#pragma once

#include <random>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages.hpp"

namespace fard {

template <typename T>
inline constexpr bool is_vector = false;
template <typename T>
inline constexpr bool is_vector<std::vector<T>> = true;

class Filler {
  public:
    enum class Text { any_bytes, readable };
    explicit Filler(std::uint64_t seed, Text text = Text::any_bytes) : random_(seed), text_(text) {}

    template <typename T>
    void fill(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            value = random_() % 2 == 0;
        } else if constexpr (std::is_integral_v<T>) {
            value = static_cast<T>(random_() >> (random_() % 64));
        } else if constexpr (std::is_same_v<T, std::string>) {
            value = text();
        } else if constexpr (std::is_same_v<T, PeerId> || std::is_same_v<T, RunId>) {
            value.hex = random_hex(16);
        } else if constexpr (std::is_same_v<T, Endpoint>) {
            value = random_() % 2 == 0 ? Endpoint::ipc("/" + random_hex(4)).value()
                                       : Endpoint::tcp("fd00::1", static_cast<std::uint16_t>(1 + random_() % 65535)).value();
        } else if constexpr (std::is_same_v<T, PublicKey>) {
            value.hex = random_hex(32);
        } else if constexpr (std::is_same_v<T, Epoch>) {
            fill(value.attempt);
            fill(value.wiring);
        } else if constexpr (std::is_same_v<T, DataType>) {
            value = random_() % 2 == 0 ? DataType::uint(1 + random_() % 32) : DataType::bipolar();
        } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
            for (int i = 0; i < 3; ++i)
                value[text()] = text();
        } else if constexpr (is_vector<T>) {
            value.resize(1 + random_() % 3);
            for (auto& element : value)
                fill(element);
        } else {
            std::apply([&](const auto&... fields) { (fill(value.*fields.member), ...); },
                       wire::fields_of<T>());
            if constexpr (std::is_same_v<T, TensorDesc>) {
                for (auto& extent : value.shape)
                    extent = 1 + random_() % 300;
            }
        }
    }

    wire::Envelope envelope() {
        wire::Envelope envelope{{random_hex(16)}, 0, false, 0};
        fill(envelope.request);
        fill(envelope.answer);
        fill(envelope.lamport);
        return envelope;
    }

  private:
    std::string text() {
        std::string text(random_() % 40, '\0');
        for (char& letter : text)
            letter = text_ == Text::readable ? static_cast<char>('a' + random_() % 26) : static_cast<char>(random_());
        return text;
    }

    std::string random_hex(int bytes) {  // the same for the same seed
        std::string hex;
        for (int i = 0; i < 2 * bytes; ++i)
            hex += "0123456789abcdef"[random_() % 16];
        return hex;
    }

    std::mt19937_64 random_;
    Text text_;
};

// One body of each message of the table.
inline std::vector<wire::Body> one_of_each(std::uint64_t seed) {
    std::vector<wire::Body> bodies;
    const auto add = [&](auto message) {
        Filler(seed++).fill(message);
        bodies.emplace_back(std::move(message));
    };
    std::apply([&](const auto&... messages) { (add(messages), ...); }, wire::Table{});
    return bodies;
}

}  // namespace fard
