// Whoever started this process and waits to hear that it is ready (systemd's Type=notify): one datagram to the socket that
// NOTIFY_SOCKET names.
#pragma once

#include <string>

namespace fard {

class Supervisor {
  public:
    // Takes NOTIFY_SOCKET out of the environment, so that children do not speak for us.
    static Supervisor from_environment();

    void tell(const std::string& state) const;  // "READY=1"; nothing where nobody asked, never blocks

  private:
    explicit Supervisor(std::string socket) : socket_(std::move(socket)) {}
    std::string socket_;  // "": nobody
};

}  // namespace fard
