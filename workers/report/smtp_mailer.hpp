/// E-mail over SMTP.
#pragma once

#include "workers/report/config.hpp"
#include "workers/report/mailer.hpp"

#include <atomic>
#include <string>

#include <boost/asio/thread_pool.hpp>

namespace omnibus::report {

/// Sends through the server of SMTP_URL with libcurl, on threads of its own: the library blocks. Encrypts if the server
/// can (STARTTLS), and always when the URL has a password and the host is not this machine.
class SmtpMailer final : public Mailer {
 public:
  /// @throws std::invalid_argument for an SMTP_URL of another scheme or an SMTP_FROM that is no address.
  explicit SmtpMailer(ReportSettings const& settings);
  SmtpMailer(SmtpMailer const&) = delete;
  SmtpMailer& operator=(SmtpMailer const&) = delete;
  /// Breaks off what is being sent, and waits for its threads.
  ~SmtpMailer() override;

  Task<MailResult> send(Email email) override;

 private:
  Task<MailResult> send_on_thread(Email email);
  MailResult perform(Email const& email) const;

  std::string const url_;
  bool const needs_encryption_;
  long const deadline_ms_;
  std::atomic<bool> stopping_ = false;
  boost::asio::thread_pool threads_;
};

}  // namespace omnibus::report
