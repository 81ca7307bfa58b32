import Basics
import Checkpoints
import NNUNet

extension WeightStore {
  /// The state of one dataset's weights.
  public enum State: String, Sendable {
    case installed
    case incomplete
    case missing
  }

  /// Whether all networks that the catalogue knows of a source are there. Nothing is read.
  public func state(of source: ModelSource) -> State {
    let folder = folder(of: source)
    guard Path.isFolder(folder) else { return .missing }
    let parts = parts(of: source)
    guard !parts.isEmpty else { return ((try? Path.list(folder)) ?? []).isEmpty ? .incomplete : .installed }
    let isComplete = parts.allSatisfy { part in
      let choices = [false] + (part.smallPlans == nil ? [] : [true])
      return choices.contains { (try? modelFolder(for: part, smallModel: $0)) != nil }
    }
    return isComplete ? .installed : .incomplete
  }

  /// What is wrong with a source's installed weights, as sentences; empty when nothing is.
  ///
  /// Every file is read: it must be as it was installed (or, when it was put there by other means, its checksums must
  /// be right), checkpoints, plans and dataset descriptions must be readable, and there must be as many classes as the
  /// catalogue says. Throws `interrupted`.
  public func problems(of source: ModelSource) throws -> [String] {
    let dataset = folder(of: source)
    guard Path.isFolder(dataset) else { return ["is not installed"] }
    var problems: [String] = []
    let manifest: WeightManifest?
    do { manifest = try WeightManifest.read(in: dataset) } catch {
      problems.append("\(error)")
      manifest = nil
    }
    let parts = parts(of: source)
    var checked = Set<String>()
    for part in parts {
      for small in part.smallPlans == nil ? [false] : [false, true] {
        let model = try path(of: part, smallModel: small)
        // Of two sizes one is enough.
        if part.smallPlans != nil, !Path.isFolder(model), state(of: source) == .installed { continue }
        guard checked.insert(model).inserted else { continue }
        problems += try self.problems(ofModel: model, part: part, manifest: manifest)
      }
    }
    // Networks that no task uses, and models that are no networks of nnU-Net.
    let others = Set((manifest?.files ?? [:]).keys.compactMap { $0.split(separator: "/").first.map(String.init) })
    for name in others.sorted() where !checked.contains(Path.join(dataset, name)) {
      problems += try manifest?.differences(in: dataset, at: name) ?? []
    }
    return problems
  }

  /// The different networks that tasks use of a source.
  func parts(of source: ModelSource) -> [TaskPart] {
    var found: [TaskPart] = []
    for task in catalogue.tasks {
      for (_, variant) in task.variants {
        found += variant.parts.filter { String($0.dataset) == source.id && !found.contains($0) }
      }
    }
    return found
  }

  private func problems(ofModel folder: String, part: TaskPart, manifest: WeightManifest?) throws -> [String] {
    let (dataset, name) = Path.split(folder)
    var problems = try manifest?.differences(in: dataset, at: name) ?? []
    do {
      let folds = try folds(of: part, in: folder)
      _ = try Plans.read(Path.join(folder, "plans.json"))
      let description = try DatasetDescription.read(Path.join(folder, "dataset.json"))
      let count = description.labels.foregroundLabels.count
      if count != part.classCount {
        problems.append("\(name) finds \(count) classes, the catalogue says \(part.classCount)")
      }
      for fold in folds {
        if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
        let path = Path.join(folder, "fold_\(fold)/\(Self.checkpoint)")
        _ = try TorchCheckpoint.open(path)
        if manifest == nil { try Self.verifyChecksums(path) }
      }
    } catch let failure as Failure where failure.kind != .interrupted {
      var short = failure
      short.hint = nil
      problems.append(short.description)
    }
    return problems
  }

  /// Checks what PyTorch's container says about its own members. Throws `badInput`.
  static func verifyChecksums(_ checkpoint: String) throws {
    let file = try MappedFile(path: checkpoint)
    guard ZipArchive.hasMagic(file.bytes) else { return }
    let archive = try ZipArchive(file: file)
    for member in archive.members where !member.isFolder { try archive.verify(member) }
  }
}
