import Basics
import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file to be fetched.
public struct Download: Sendable {
  /// http or https.
  public var url: String
  /// The file it becomes; its folder must exist.
  public var destination: String
  /// In bytes, where it is known for certain.
  public var expectedSize: Int?
  /// In hexadecimal, where it is known.
  public var sha256: String?
  /// A JSON document that is sent with POST; nil for GET. The answer to a POST is never resumed.
  public var body: JSON?

  public init(
    url: String, destination: String, expectedSize: Int? = nil, sha256: String? = nil, body: JSON? = nil
  ) {
    self.url = url
    self.destination = destination
    self.expectedSize = expectedSize
    self.sha256 = sha256
    self.body = body
  }
}

/// How far a download is.
public struct DownloadProgress: Sendable, Equatable {
  /// Bytes of the file that are there, those of earlier attempts included.
  public var received: Int
  /// The file's size, when the server said it.
  public var total: Int?
  /// Bytes that were there before.
  public var resumed: Int
}

/// Fetches files over http and https, goes on where an earlier attempt stopped, and checks what has arrived.
///
/// Proxies are those of `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`. A file of trusted certificates can be
/// given in `CURL_CA_BUNDLE`, `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE`.
public struct Downloader: Sendable {
  /// How often a download that breaks off is tried, counted anew whenever a MiB has arrived.
  public var attempts = 4
  /// Seconds before the second attempt; twice as many before each further one.
  public var pause = 1.0
  /// Seconds within which a connection must be there.
  public var connectSeconds = 30
  /// Seconds without a byte after which the connection counts as broken.
  public var stallSeconds = 60

  public init() {}

  /// Fetches a file, which appears under its name when it is complete and checked. Until then its bytes are in
  /// `NAME.partial`, which stays when the download breaks off and is the beginning of the next attempt.
  ///
  /// Throws `missingInput` when the server cannot be reached or does not have the file, `badInput` when what has arrived
  /// is not what was expected (it is deleted), `cannotWrite`, and `interrupted`. The failure's file is the address.
  public func fetch(_ download: Download, progress: ((DownloadProgress) -> Void)? = nil) throws {
    guard ["http://", "https://"].contains(where: download.url.lowercased().hasPrefix) else {
      throw Failure(.usage, "is no address to download from; http and https are", file: download.url)
    }
    let partial = try PartialFile(for: download.destination)
    if download.body != nil || partial.origin?.url != download.url { try partial.restart(as: nil) }
    let resumed = partial.count
    do {
      try receive(download, into: partial, resumed: resumed, progress)
      if resumed > 0, (try? verify(download, partial)) == nil {
        // The earlier part may be of another file.
        try partial.restart(as: nil)
        try receive(download, into: partial, resumed: 0, progress)
      }
      try verify(download, partial)
      try partial.commit()
    } catch let failure as Failure where failure.kind == .badInput {
      partial.discard()
      throw failure
    }
  }

  private func receive(
    _ download: Download, into partial: PartialFile, resumed: Int, _ progress: ((DownloadProgress) -> Void)?
  ) throws {
    var attempt = 1
    while true {
      let before = partial.count
      let exchange = Exchange(download: download, partial: partial, settings: self)
      guard let problem = try exchange.run({ progress?(DownloadProgress(received: $0, total: $1, resumed: resumed)) })
      else { return }
      if partial.count - before >= 1 << 20 { attempt = 1 }
      guard problem.mayPass, attempt < attempts else { throw problem.failure }
      try wait(pause * Double(1 << (attempt - 1)))
      attempt += 1
    }
  }

  private func wait(_ seconds: Double) throws {
    var left = seconds
    while left > 0 {
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
      usleep(UInt32(min(left, 0.1) * 1e6))
      left -= 0.1
    }
  }

  private func verify(_ download: Download, _ partial: PartialFile) throws {
    if let size = download.expectedSize, partial.count != size {
      throw Failure(
        .badInput, "\(partial.count) bytes arrived where \(size) were expected; they were deleted",
        file: download.url, hint: "the file at this address is not the one that was meant, or a proxy changed it")
    }
    guard let expected = download.sha256 else { return }
    let file = try MappedFile(path: partial.path)
    let digest = withExtendedLifetime(file) { SHA256.hexadecimal(file.bytes) }
    guard digest == expected.lowercased() else {
      throw Failure(
        .badInput, "what arrived has the SHA-256 \(digest), expected was \(expected.lowercased()); it was deleted",
        file: download.url, hint: "the file at this address is not the one that was meant, or a proxy changed it")
    }
  }
}
