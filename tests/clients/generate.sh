#!/bin/sh
# Generates Go and Java clients of our kinds and compiles them.
#
#     tests/clients/generate.sh FOLDER
#
# The API server of the current kubeconfig describes the kinds. Needed are kubectl, Go 1.23, a JDK 17 and
# openapi-generator, named by OPENAPI_GENERATOR (its .jar) or else installed into FOLDER from PyPI with pip.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "${1:?the folder to generate into}"
folder=$(CDPATH='' cd -- "$1" && pwd)
cd "$folder"

generator=${OPENAPI_GENERATOR:-}
if [ -z "$generator" ]; then
	python3 -m pip install --quiet --no-deps --upgrade --target generator openapi-generator-cli==7.26.0
	generator=$folder/generator/openapi_generator_cli/openapi-generator.jar
fi

# generate VERSION GENERATOR OPTION...
generate() {
	input=$1.json name=$2
	shift 2
	properties=hideGenerationTimestamp=true,disallowAdditionalPropertiesIfNotPresent=false
	java -jar "$generator" generate --generator-name "$name" --input-spec "$input" "$@" \
		--additional-properties "$properties" >"$input.$name.log" 2>&1 || {
		cat "$input.$name.log" >&2
		exit 1
	}
}

# Java's own annotation javax.annotation.Generated is in no JDK since 11: the clients do without it.
mkdir -p templates
: >templates/generatedAnnotation.mustache

rm -rf go java classes
for version in v1 v1beta1 v1alpha1; do
	# Kubernetes' own types have the default {} for structures, of which the Go generator makes code that is none.
	kubectl get --raw "/openapi/v3/apis/app.alauda.io/$version" |
		sed 's/,"default":{}//g; s/"default":{},//g' >"$version.json"
	generate "$version" go --output "go/$version" \
		--git-host example.com --git-user-id captain --git-repo-id "client-$version" \
		--additional-properties "packageName=$version"
	(cd "go/$version" && GOFLAGS=-mod=mod go vet .)
	generate "$version" java --output "java/$version" --library native --template-dir templates \
		--invoker-package "dev.captain.$version" --api-package "dev.captain.$version.api" \
		--model-package "dev.captain.$version.model" \
		--additional-properties openApiNullable=false,annotationLibrary=none
	echo "$version: Go and Java are generated, and Go compiles" >&2
done

# Jackson and the annotations of nullness, which the Java client needs, are in the generator's archive too.
mkdir -p classes
find java/*/src/main "$here/java" -name '*.java' >sources
javac -proc:none -nowarn -classpath "$generator" -d classes @sources
echo "Java compiles" >&2

mkdir -p go/install
cp "$here/go/main.go" go/install/
cat >go/install/go.mod <<MODULE
module example.com/captain/install

go 1.23

require example.com/captain/client-v1 v1.0.0

replace example.com/captain/client-v1 => ../v1
MODULE
(cd go/install && GOFLAGS=-mod=mod go build -o ../../install .)
cat >install-java <<SCRIPT
#!/bin/sh
exec java -classpath '$generator:$folder/classes' Install "\$@"
SCRIPT
chmod +x install-java
echo "$folder/install and $folder/install-java are two small stores" >&2
