import Basics
import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A web server on this machine for tests: one request a connection, answered by a closure.
public final class TestServer: Sendable {
  public struct Request: Sendable {
    public var method = ""
    /// As in the first line: a path, or a whole address when the client takes the server for a proxy.
    public var target = ""
    /// With names in lower case.
    public var headers: [String: String] = [:]
    public var body: [UInt8] = []
  }

  public struct Response: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// After so many bytes of the body the connection is closed.
    public var breaksAfter: Int?
    /// After so many bytes of the body nothing more is sent until the client goes.
    public var stallsAfter: Int?

    public init(_ status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
      (self.status, self.headers, self.body) = (status, headers, body)
    }

    /// A file as a good server gives it: whole, or the part asked for if the client's is of the same file.
    public static func file(_ content: [UInt8], for request: Request, tag: String? = "\"one\"") -> Response {
      var headers: [(name: String, value: String)] = [("Accept-Ranges", "bytes")]
      if let tag { headers.append(("ETag", tag)) }
      guard let range = request.headers["range"], range.hasPrefix("bytes="),
        let start = Int(range.dropFirst(6).prefix { $0 != "-" }),
        request.headers["if-range"].map({ $0 == tag }) ?? true
      else { return Response(200, headers: headers, body: content) }
      guard start < content.count else {
        return Response(416, headers: headers + [("Content-Range", "bytes */\(content.count)")])
      }
      let field = "bytes \(start)-\(content.count - 1)/\(content.count)"
      return Response(206, headers: headers + [("Content-Range", field)], body: Array(content[start...]))
    }
  }

  public let port: Int
  private let listener: Int32
  private let log = Log()

  /// What the connections' threads share with the server's owner.
  private final class Log: Sendable {
    let requests = Mutex<[Request]>([])
  }

  /// Every request so far.
  public var requests: [Request] { log.requests.withLock { $0 } }

  /// Begins to listen. The closure may be called on several threads.
  public init(_ respond: @escaping @Sendable (Request) -> Response) throws {
    // The tests' own connections go straight here, whatever the machine's settings are.
    _ = Self.directConnections
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    let listener = socket(AF_INET, kind, 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        address in
        bind(listener, address, size) == 0 && getsockname(listener, address, &size) == 0
      }
    }
    guard bound, listen(listener, 16) == 0 else {
      throw Failure(.internalError, "the test's server cannot listen: \(systemMessage())")
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    let log = log
    DispatchQueue(label: "test server").async {
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else {
          // Closed here and nowhere else: the number may belong to another server's socket at once.
          close(listener)
          return
        }
        DispatchQueue.global().async {
          defer { close(connection) }
          guard let request = Self.read(connection) else { return }
          log.requests.withLock { $0.append(request) }
          Self.send(respond(request), to: connection)
        }
      }
    }
  }

  deinit {
    // Wakes the thread that waits for connections.
    shutdown(listener, Int32(SHUT_RDWR))
  }

  public func url(_ path: String) -> String { "http://127.0.0.1:\(port)/\(path)" }

  /// An address at which nobody listens.
  public static func closedPort() throws -> Int {
    let server = try TestServer { _ in Response(500) }
    return server.port
  }

  private static let directConnections: Void = {
    setenv("no_proxy", "127.0.0.1", 1)
    unsetenv("NO_PROXY")
    signal(SIGPIPE, SIG_IGN)
  }()

  private static func read(_ connection: Int32) -> Request? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    let end: [UInt8] = [13, 10, 13, 10]
    func more() -> Bool {
      let count = recv(connection, &buffer, buffer.count, 0)
      if count > 0 { bytes += buffer.prefix(count) }
      return count > 0
    }
    var head: Range<Int>?
    while head == nil {
      guard more() else { return nil }
      head = bytes.indices.dropLast(3).first { Array(bytes[$0..<$0 + 4]) == end }.map { 0..<$0 }
    }
    guard let head else { return nil }
    let lines = String(decoding: bytes[head], as: UTF8.self).split(whereSeparator: \.isNewline)
    let first = lines.first?.split(separator: " ").map(String.init) ?? []
    guard first.count == 3 else { return nil }
    var request = Request(method: first[0], target: first[1])
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      request.headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
    while bytes.count < head.count + 4 + length { guard more() else { return nil } }
    request.body = Array(bytes[(head.count + 4)...])
    return request
  }

  private static func send(_ response: Response, to connection: Int32) {
    var text = "HTTP/1.1 \(response.status) Status\r\nConnection: close\r\n"
    if !response.headers.contains(where: { $0.name == "Content-Length" }) {
      text += "Content-Length: \(response.body.count)\r\n"
    }
    for (name, value) in response.headers { text += "\(name): \(value)\r\n" }
    put(Array((text + "\r\n").utf8), on: connection)
    let limit = response.breaksAfter ?? response.stallsAfter ?? response.body.count
    put(Array(response.body.prefix(limit)), on: connection)
    if response.stallsAfter != nil {
      var byte: UInt8 = 0
      _ = recv(connection, &byte, 1, 0)
    }
  }

  private static func put(_ bytes: [UInt8], on connection: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { transmit(connection, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

/// Sends bytes; outside of the class, whose methods hide the system's functions.
private func transmit(_ connection: Int32, _ base: UnsafeRawPointer?, _ count: Int) -> Int {
  write(connection, base, count)
}
