#include "base/suggest.hpp"

#include <doctest/doctest.h>

TEST_CASE("the nearest name is found over slips of the fingers") {
    const std::vector<std::string> keys = {"name", "replicas", "device", "chunk_timeout", "channels"};
    struct Row {
        const char* typed;
        const char* meant;
    };
    const Row rows[] = {{"replcias", "replicas"},
                        {"replica", "replicas"},
                        {"chunk-timeout", "chunk_timeout"},
                        {"Device", "device"},
                        {"nmae", "name"},
                        {"chanels", "channels"},
                        {"bandwidth", ""},
                        {"", ""},
                        {"x", ""},
                        {"timeout", ""},
                        {"chunktimeout", "chunk_timeout"}};
    for (const auto& row : rows) {
        CAPTURE(row.typed);
        CHECK(fard::nearest(row.typed, keys) == row.meant);
    }
}

TEST_CASE("a suggestion is a ready phrase, and nothing when nothing is near") {
    CHECK(fard::did_you_mean("stag", {"stage", "copy"}) == " (did you mean stage?)");
    CHECK(fard::did_you_mean("zebra", {"stage", "copy"}).empty());
    CHECK(fard::did_you_mean(std::string(100'000, 'a'), {"stage"}).empty());
}
