/// Sending e-mail.
#pragma once

#include "concurrency/task.hpp"
#include "workers/report/email.hpp"

#include <cstdint>
#include <string>

namespace omnibus::report {

/// What became of a message.
enum class MailFate : std::uint8_t {
  sent,      ///< the server has taken it
  deferred,  ///< it was surely not taken, and may be later
  refused,   ///< the server will not take it
  in_doubt   ///< all of it was sent, and no answer came: nobody knows whether it was taken
};

struct MailResult {
  MailFate fate = MailFate::deferred;
  std::string detail;  ///< the server's code or the reason. Safe to log and store
};

/// Sends messages. Any event loop may use it.
class Mailer {
 public:
  virtual ~Mailer() = default;
  /// Sends one message to one person. Never throws for what a server does.
  virtual Task<MailResult> send(Email email) = 0;
};

}  // namespace omnibus::report
