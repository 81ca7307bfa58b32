import Basics
import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One attempt to get what is missing of a file.
final class Exchange {
  /// Why an attempt failed.
  struct Problem {
    var failure: Failure
    /// Whether another attempt may succeed.
    var mayPass: Bool
  }

  private let download: Download
  private let partial: PartialFile
  private let settings: Downloader
  /// Of the last answer: its status, its headers with names in lower case, and the beginning of an error's text.
  private var status = 0
  private var headers: [String: String] = [:]
  private var complaint: [UInt8] = []
  /// Whether the bytes of this answer belong to the file.
  private var isAccepted: Bool?

  init(download: Download, partial: PartialFile, settings: Downloader) {
    (self.download, self.partial, self.settings) = (download, partial, settings)
  }

  /// Returns nil when the file is complete. Throws what has nothing to do with the connection.
  func run(_ report: (_ received: Int, _ total: Int?) -> Void) throws -> Problem? {
    let start = partial.count
    if start > 0 {
      if let total = partial.origin?.total, start == total { return nil }
      // Without either there is no telling whether the server still has the same file.
      if partial.origin?.tag == nil, partial.origin?.total == nil { try partial.restart(as: nil) }
    }
    var transfer = Transfer(url: download.url)
    transfer.start = partial.count
    transfer.connectSeconds = settings.connectSeconds
    transfer.stallSeconds = settings.stallSeconds
    transfer.certificates = Self.certificates
    if transfer.start > 0, let tag = partial.origin?.tag { transfer.headers.append("If-Range: \(tag)") }
    if let body = download.body {
      transfer.headers.append("Content-Type: application/json")
      transfer.body = Array(body.text().utf8)
    }
    let outcome = try transfer.perform(onHeader: take) { bytes in
      if try isPartOfFile() {
        try partial.append(bytes)
        report(partial.count, partial.origin?.total)
      } else if complaint.count < 1000 {
        complaint += bytes.prefix(1000)
      }
    }
    guard outcome.code == Int32(MT_CURL_OK) else { return problem(outcome) }
    guard try isPartOfFile() else { return refusal }
    if let total = partial.origin?.total, partial.count != total {
      return Problem(failure: failure("only \(partial.count) of \(total) bytes arrived"), mayPass: true)
    }
    return nil
  }

  /// A file of trusted certificates that the user has named for other tools.
  private static var certificates: String? {
    for name in ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
      if let path = getenv(name).map({ String(cString: $0) }), Path.isFile(path) { return path }
    }
    return nil
  }

  private func take(_ line: String) {
    if line.hasPrefix("HTTP/") {
      headers = [:]
      isAccepted = nil
      status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    } else if let colon = line.firstIndex(of: ":") {
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      headers[line[..<colon].lowercased()] = String(value.prefix { !$0.isNewline })
    }
  }

  /// Decides once for each answer; makes room for it when it is the whole file.
  private func isPartOfFile() throws -> Bool {
    if let isAccepted { return isAccepted }
    var answer = false
    if status == 200 {
      // Also when the rest was asked for: the server cannot give parts, or has another file by now.
      let tag = headers["etag"].flatMap { $0.hasPrefix("\"") ? $0 : nil }
      try partial.restart(
        as: PartialFile.Origin(url: download.url, tag: tag, total: headers["content-length"].flatMap { Int($0) }))
      answer = true
    } else if status == 206 {
      answer = isRest(headers["content-range"] ?? "")
    }
    isAccepted = answer
    return answer
  }

  /// Whether a `Content-Range` ("bytes 1000-1999/2000") begins where our part ends, in a file of the same size.
  private func isRest(_ range: String) -> Bool {
    guard range.lowercased().hasPrefix("bytes ") else { return false }
    let numbers = range.dropFirst(6).split(whereSeparator: { $0 == "-" || $0 == "/" }).map { Int($0) }
    guard numbers.count == 3, numbers[0] == partial.count else { return false }
    guard let expected = partial.origin?.total else { return true }
    return numbers[2] == expected
  }

  /// What an answer means that is not the file.
  private var refusal: Problem {
    if status == 206 || status == 416 {
      // The file there has changed or our part is too long: from the beginning.
      do { try partial.restart(as: nil) } catch { return Problem(failure: failure("\(error)"), mayPass: false) }
      return Problem(failure: failure("the server does not give the rest of the file"), mayPass: true)
    }
    var text = "the server answered with status \(status)"
    if let words = serverWords { text += ": \(words)" }
    return Problem(failure: failure(text), mayPass: status >= 500 || status == 429 || status == 408)
  }

  /// What the server has to say, when it says it in words for people or programs and not as a page.
  private var serverWords: String? {
    let type = headers["content-type"] ?? ""
    let text = String(decoding: complaint, as: UTF8.self)
    if type.hasPrefix("application/json"), let json = try? JSON(parsing: complaint) {
      return ["message", "detail", "error", "status"].lazy.compactMap { json[$0]?.string }.first ?? text
    }
    guard type.hasPrefix("text/plain") || type.hasPrefix("application/json") else { return nil }
    let line = text.split(whereSeparator: \.isNewline).first.map { String($0.prefix(200)) }
    return line
  }

  private func problem(_ outcome: Transfer.Outcome) -> Problem {
    let passing = [
      MT_CURL_PARTIAL_FILE, MT_CURL_TIMED_OUT, MT_CURL_GOT_NOTHING, MT_CURL_SEND_ERROR, MT_CURL_RECEIVE_ERROR,
      MT_CURL_TLS_CONNECT, MT_CURL_HTTP2,
    ]
    return Problem(failure: failure(outcome.message), mayPass: passing.contains(Int(outcome.code)))
  }

  private func failure(_ message: String) -> Failure {
    Failure(
      .missingInput, "cannot be downloaded: \(message)", file: download.url,
      hint: "check the connection; a proxy is taken from https_proxy or http_proxy")
  }
}
