/** Which parts of the public API are shown by an example in their comments. */
import path from 'node:path';
import ts from 'typescript';
import { root } from './blocks.js';

/**
 * The exported classes and functions, and the methods of `MappedFile`, whose comment has no example. A method that is
 * described as a variant of another one ("As {@link read}, …") has that one's.
 */
export function withoutExample(): string[] {
  const entries = ['index', 'adapters/index', 'sync/index'].map((name) => path.join(root, `dist/${name}.d.ts`));
  const program = ts.createProgram(entries, { module: ts.ModuleKind.NodeNext, types: ['node'], skipLibCheck: true });
  const checker = program.getTypeChecker();
  const lacking = (symbol: ts.Symbol): boolean =>
    !symbol.getJsDocTags(checker).some(({ name }) => name === 'example') && !isVariant(symbol);

  const exported = entries.flatMap((entry) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!);
    const values = checker.getExportsOfModule(module!).filter((symbol) => !isTypeOnly(symbol));
    return values.map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
  });
  const shown = exported.filter(({ flags }) => flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function));
  const file = exported.find(({ name }) => name === 'MappedFile')!;
  const methods = [...file.members!.values(), ...file.exports!.values()].filter(
    ({ flags, name }) => flags & ts.SymbolFlags.Method && !name.startsWith('__'),
  );
  return [...shown, ...methods].filter(lacking).map(({ name }) => name);
}

/** Whether only its type is exported: others make it. */
function isTypeOnly({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some(
    (declaration) => ts.isExportSpecifier(declaration) && ts.isTypeOnlyExportDeclaration(declaration),
  );
}

function isVariant(symbol: ts.Symbol): boolean {
  return (symbol.declarations ?? []).some((declaration) => {
    return /\/\*\*\s+(\* )?As \{@link/.test(declaration.getFullText().split('*/', 1)[0]!);
  });
}
