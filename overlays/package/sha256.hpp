// SHA-256, whole or block by block. OpenSSL's, which uses what the CPU has for it, is called in sha256.cpp and nowhere else.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fard {

class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    void update(std::string_view bytes);
    std::string hex();  // of all that was given; the last call

  private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace fard
