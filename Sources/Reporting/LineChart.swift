import Basics
import ImageFormats

/// Panels of curves below each other, drawn small: how a training goes.
public struct LineChart: Sendable {
  public struct Curve: Sendable {
    public var name: String
    /// Red, green, blue.
    public var color: (UInt8, UInt8, UInt8)
    public var values: [Double]
    /// Drawn against the scale at the right.
    public var isSecondary: Bool

    public init(_ name: String, color: (UInt8, UInt8, UInt8), values: [Double], isSecondary: Bool = false) {
      self.name = name
      self.color = color
      self.values = values
      self.isSecondary = isSecondary
    }
  }

  public struct Panel: Sendable {
    public var curves: [Curve]
    /// A number that the left scale includes.
    public var including: Double?

    public init(_ curves: [Curve], including: Double? = nil) {
      self.curves = curves
      self.including = including
    }
  }

  public let width: Int
  public let height: Int
  private var pixels: [UInt8]
  private static let margin = (left: 90, right: 90, top: 30, bottom: 30)

  /// - Parameters:
  ///   - panels: of equal height.
  ///   - width, panelHeight: in pixels.
  public init(_ panels: [Panel], width: Int = 1000, panelHeight: Int = 360) {
    self.width = width
    height = panelHeight * panels.count
    pixels = [UInt8](repeating: 255, count: 3 * width * height)
    for (index, panel) in panels.enumerated() { draw(panel, top: index * panelHeight, height: panelHeight) }
  }

  /// Writes a PNG file. Throws `cannotWrite`.
  public func write(to path: String) throws {
    try PNG.write(rgb: pixels, width: width, height: height, to: path)
  }

  private mutating func draw(_ panel: Panel, top: Int, height: Int) {
    let margin = Self.margin
    let (x0, x1) = (margin.left, width - margin.right)
    let (y0, y1) = (top + margin.top, top + height - margin.bottom)
    let grey: (UInt8, UInt8, UInt8) = (225, 225, 225)
    let count = panel.curves.map(\.values.count).max() ?? 0
    let scales = [false, true].map { isSecondary in
      Self.scale(
        panel.curves.filter { $0.isSecondary == isSecondary }.flatMap(\.values),
        including: isSecondary ? nil : panel.including)
    }
    for step in 0...4 {
      let y = y1 - (y1 - y0) * step / 4
      line(x0, y, x1, y, grey)
      for (side, scale) in scales.enumerated() {
        guard let scale else { continue }
        let text = Self.text(scale.low + (scale.high - scale.low) * Double(step) / 4)
        write(text, x: side == 0 ? x0 - 8 - Self.textWidth(text) : x1 + 8, y: y - 5, (90, 90, 90))
      }
    }
    for step in 0...4 where count > 1 {
      let number = "\((count - 1) * step / 4)"
      write(number, x: x0 + (x1 - x0) * ((count - 1) * step / 4) / (count - 1) - 4, y: y1 + 10, (90, 90, 90))
    }
    var legend = x0
    for curve in panel.curves {
      write(curve.name.uppercased(), x: legend, y: top + 10, curve.color)
      legend += Self.textWidth(curve.name) + 24
      guard let scale = scales[curve.isSecondary ? 1 : 0] else { continue }
      var last: (Int, Int)?
      for (index, value) in curve.values.enumerated() {
        guard value.isFinite else {
          last = nil
          continue
        }
        let x = x0 + (count > 1 ? (x1 - x0) * index / (count - 1) : 0)
        let y = y1 - Int(((value - scale.low) / (scale.high - scale.low) * Double(y1 - y0)).rounded())
        for thickness in 0...1 {
          line(last?.0 ?? x, (last?.1 ?? y) + thickness, x, y + thickness, curve.color)
        }
        last = (x, y)
      }
    }
  }

  /// The range of some numbers, a little widened; nil when there are none.
  private static func scale(_ values: [Double], including: Double?) -> (low: Double, high: Double)? {
    let finite = values.filter(\.isFinite) + (including.map { [$0] } ?? [])
    guard let low = finite.min(), let high = finite.max(), values.contains(where: \.isFinite) else { return nil }
    let room = high > low ? 0 : max(abs(high) * 0.1, 1e-6)
    return (low - room, high + room)
  }

  private static func textWidth(_ text: String) -> Int { text.count * (PixelFont.width + 1) * 2 }

  /// About three digits.
  private static func text(_ value: Double) -> String {
    let digits = abs(value) >= 100 ? 0 : abs(value) >= 1 ? 2 : 5
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    return digits == 0 ? "\(Int(rounded))" : "\(rounded)".contains("e") ? "0" : "\(rounded)"
  }

  private mutating func set(_ x: Int, _ y: Int, _ color: (UInt8, UInt8, UInt8)) {
    guard (0..<width).contains(x), (0..<height).contains(y) else { return }
    let at = 3 * (y * width + x)
    (pixels[at], pixels[at + 1], pixels[at + 2]) = color
  }

  private mutating func line(_ x0: Int, _ y0: Int, _ x1: Int, _ y1: Int, _ color: (UInt8, UInt8, UInt8)) {
    let steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    for step in 0...steps { set(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps, color) }
  }

  private mutating func write(_ text: String, x: Int, y: Int, _ color: (UInt8, UInt8, UInt8)) {
    for (index, character) in text.enumerated() {
      let left = x + index * (PixelFont.width + 1) * 2
      for row in 0..<PixelFont.height * 2 {
        for column in 0..<PixelFont.width * 2 where PixelFont.isSet(character, column / 2, row / 2) {
          set(left + column, y + row, color)
        }
      }
    }
  }
}
