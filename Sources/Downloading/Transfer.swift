import Basics
import CCurl

/// One request and its answer.
struct Transfer {
  /// How one ended.
  struct Outcome {
    /// libcurl's number; 0 when the answer arrived in full.
    var code: Int32
    /// The last HTTP status, 0 when there was no answer.
    var status: Int
    /// What libcurl has to say about a failure.
    var message: String
  }

  var url: String
  var headers: [String] = []
  /// Sent with POST; nil for GET.
  var body: [UInt8]?
  /// The first byte wanted.
  var start = 0
  var connectSeconds = 30
  var stallSeconds = 60
  var certificates: String?

  /// What libcurl reports to. Errors are kept until libcurl has returned.
  private final class Sink {
    let onHeader: (String) throws -> Void
    let onData: (UnsafeRawBufferPointer) throws -> Void
    var error: (any Error)?

    init(onHeader: @escaping (String) throws -> Void, onData: @escaping (UnsafeRawBufferPointer) throws -> Void) {
      (self.onHeader, self.onData) = (onHeader, onData)
    }

    func keep(_ body: () throws -> Void) -> Int32 {
      do {
        try body()
        return 0
      } catch {
        self.error = error
        return 1
      }
    }
  }

  /// Makes the request. Lines of headers (those of redirections too) and bytes are handed on as they come; what the
  /// callbacks throw ends the transfer and is thrown on. Throws `interrupted` when the user asks to stop.
  func perform(
    onHeader: (String) throws -> Void, onData: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Outcome {
    let library = try CurlLibrary.shared()
    return try withoutActuallyEscaping(onHeader) { onHeader in
      try withoutActuallyEscaping(onData) { onData in
        let sink = Sink(onHeader: onHeader, onData: onData)
        let outcome = perform(library, sink)
        if let error = sink.error { throw error }
        return outcome
      }
    }
  }

  private func perform(_ library: CurlLibrary, _ sink: Sink) -> Outcome {
    // libcurl copies what it is given, except the body of a POST.
    let texts = headers.map { strings($0) }
    defer { for text in texts { text.deallocate() } }
    let pointers = texts.map { UnsafePointer($0.baseAddress) }
    var status = 0
    var message = [CChar](repeating: 0, count: Int(MT_CURL_MESSAGE_SIZE))
    let code = pointers.withUnsafeBufferPointer { headers in
      (body ?? []).withUnsafeBufferPointer { body in
        withCStrings([url, start > 0 ? "\(start)-" : nil, "Microtome", certificates]) { strings in
          var request = mt_curl_request()
          request.url = strings[0]
          request.range = strings[1]
          request.user_agent = strings[2]
          request.certificates = strings[3]
          request.headers = headers.baseAddress
          request.header_count = headers.count
          if self.body != nil {
            request.body = UnsafeRawPointer(body.baseAddress)?.assumingMemoryBound(to: CChar.self)
            request.body_size = body.count
          }
          request.connect_seconds = connectSeconds
          request.stall_seconds = stallSeconds
          request.maximum_redirects = 10
          request.context = Unmanaged.passUnretained(sink).toOpaque()
          request.on_header = { bytes, count, context in
            Transfer.sink(context).keep {
              let line = UnsafeRawBufferPointer(start: bytes, count: count)
              try Transfer.sink(context).onHeader(String(decoding: line, as: UTF8.self))
            }
          }
          request.on_data = { bytes, count, context in
            Transfer.sink(context).keep {
              try Transfer.stopIfAsked()
              try Transfer.sink(context).onData(UnsafeRawBufferPointer(start: bytes, count: count))
            }
          }
          request.on_tick = { context in Transfer.sink(context).keep { try Transfer.stopIfAsked() } }
          return mt_curl_perform(library.api, &request, &status, &message)
        }
      }
    }
    let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return Outcome(code: code, status: status, message: String(decoding: text, as: UTF8.self))
  }

  private static func sink(_ context: UnsafeMutableRawPointer?) -> Sink {
    // The sink outlives the transfer that was given it.
    Unmanaged<Sink>.fromOpaque(context!).takeUnretainedValue()
  }

  private static func stopIfAsked() throws {
    guard Interruption.isRequested else { return }
    throw Failure(
      .interrupted, "stopped by the user", hint: "what has arrived is kept; the same command goes on from there")
  }

  private func strings(_ text: String) -> UnsafeMutableBufferPointer<CChar> {
    let source = Array(text.utf8CString)
    let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: source.count)
    _ = copy.initialize(from: source)
    return copy
  }

  /// Calls `body` with C strings that live as long as the call.
  private func withCStrings<Result>(
    _ texts: [String?], _ body: ([UnsafePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = texts.map { $0.map(strings) }
    defer { for copy in copies { copy?.deallocate() } }
    return body(copies.map { copy in copy.flatMap { UnsafePointer($0.baseAddress) } })
  }
}
